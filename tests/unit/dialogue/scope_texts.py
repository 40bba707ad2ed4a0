"""Texts that the sample operator's bot is not made for, and texts that it is: none of them is among its examples."""

from __future__ import annotations

FOREIGN_ES = """
mañana hará sol en la costa
me recomiendas un buen libro de misterio
el bebé no deja de llorar qué hago
cómo se pronuncia esa palabra en francés
quién inventó la bombilla
qué significa soñar con serpientes
cómo quito las hormigas de la cocina
a qué distancia está la luna
se me rompió el vidrio de la ventana
cuánto dura el embarazo de una elefanta
quisiera aprender a nadar
dame ideas para una fiesta infantil
por qué bostezamos
cuál es el gentilicio de Honduras
en qué museo están las momias
necesito un plomero urgente
el ascensor del edificio está dañado
cuántos huesos tiene el cuerpo humano
qué maquillaje va con piel morena
cómo se hace un nudo de corbata
dónde venden flores a esta hora
cuál es la fórmula del agua
qué vino va con el pescado
ganó Nacional o perdió
hazme un resumen de Don Quijote
me salió un grano en la nariz
cómo hago crecer tomates en el balcón
qué piensas de la política económica
el profesor me puso mala nota
cuándo es el próximo eclipse
cómo se llega al aeropuerto
me puedes prestar dinero
se dañó la nevera y se pudre la comida
qué tal es vivir en Canadá
a qué temperatura se asa un pavo
quién escribió Cien años de soledad
cómo convenzo a mis papás de tener un perro
el dentista me dejó la muela peor
hay tiburones en el Mediterráneo
cuántos jugadores tiene un equipo de voleibol
qué crema uso para las quemaduras del sol
me ayudas a planear mi boda
cómo hago un currículo bonito
cuánto vale el kilo de carne
dime un trabalenguas
está permitido llevar perros en el tren
la secadora hace un ruido raro
qué tipo de sangre es el más común
cómo afinar un violín
quiero adoptar un gato
"""

FOREIGN_EN = """
will it be sunny at the beach tomorrow
recommend me a good mystery novel
the baby won't stop crying what do i do
how is that word pronounced in french
who invented the light bulb
what does it mean to dream of snakes
how do i get rid of ants in the kitchen
how far away is the moon
my window is broken
how long is an elephant pregnant
i'd like to learn how to swim
give me ideas for a kids' party
why do we yawn
what do you call people from honduras
which museum has the mummies
i need a plumber quickly
the elevator in my building is stuck
how many bones are in the human body
what makeup goes with dark skin
how do you tie a tie
where can i buy flowers this late
what's the formula of water
which wine goes with fish
did the lakers win or lose
summarise hamlet for me
i got a pimple on my nose
how do i grow tomatoes on a balcony
what do you think of the government's economic policy
my teacher gave me a bad grade
when is the next eclipse
what's the fastest way to the airport
can you lend me some money
the fridge broke and the food is going off
what is it like to live in canada
at what temperature do you roast a turkey
who wrote pride and prejudice
how do i talk my parents into getting a dog
the dentist made my tooth worse
are there sharks in the mediterranean
how many players are on a volleyball team
which cream helps against sunburn
help me plan my wedding
how do i make my cv look nice
how much is a pound of beef
tell me a tongue twister
are dogs allowed on the train
the dryer makes a strange noise
which blood type is the most common
how do you tune a violin
i would like to adopt a cat
"""

FOREIGN_PT = """
vai fazer sol amanhã na praia
me indica um bom livro de suspense
como faço feijoada
quem inventou a lâmpada
quem ganhou o jogo do flamengo
quanto é doze vezes quinze
meu cachorro não quer comer
qual é a capital da austrália
estou com dor de barriga
como se faz pão de queijo
que horas são em lisboa
conta uma piada
quero alugar um apartamento perto do mar
a geladeira quebrou
como chego ao aeroporto
qual é o sentido da vida
preciso de um encanador
me ajuda com a lição de casa
qual vinho combina com peixe
o trânsito está parado na avenida
"""

OWN_ES = """
oye y cuánto saldo tengo todavía
quisiera saber mi saldo actual por favor
me regalas el saldo de mi línea
necesito recargar diez mil pesos
cómo hago una recarga desde acá
ponle veinte mil de recarga a mi número
cuánto debo pagar este mes
quiero saber el valor de mi factura
cuándo se vence mi factura
por qué me llegó tan cara la factura
no entiendo este cobro que me hicieron
me están cobrando algo que no usé
mándame la factura al correo
necesito una copia de la factura de mayo
quiero pagar la factura con tarjeta
dónde puedo pagar lo que debo
cambié de dirección y quiero actualizarla en la factura
véndeme un paquete de cinco gigas
se me acabaron los datos necesito más gigas
qué paquetes de internet tienen
cuáles planes manejan
cuánto vale el plan ilimitado al mes
quiero pasarme a un plan más grande
me gustaría cambiar mi plan por uno más barato
cómo hago para cancelar la línea que tengo
ya no quiero seguir con ustedes den de baja mi número
no tengo señal desde esta mañana
se cayó el internet en mi barrio
estamos sin servicio en toda la cuadra
hay cobertura en Villa de Leyva
en mi vereda entra la señal de ustedes
el internet está lentísimo
los datos me van muy despacio
mi sim está bloqueada y me pide el puk
no me acuerdo del código puk
ayer me robaron el teléfono en el bus
perdí el teléfono y quiero bloquear la línea
cómo activo una esim
quiero pasar mi línea a esim
quiero traer mi número de otro operador
cómo me paso a Faro con el mismo número
voy de viaje a España me sirve la línea
necesito tener roaming antes del viaje
cuánto cuesta usar datos en el exterior
cuánto vale llamar a Estados Unidos
quiero hacer una llamada internacional
cómo configuro el buzón de voz
quiero desactivar el buzón de mensajes
quiero poner una queja por el mal servicio
voy a presentar un reclamo
hasta qué hora atienden hoy
el domingo tienen abierto
dónde hay una tienda de ustedes
cuál es la oficina más cercana
pásame con un asesor
quiero hablar con una persona de verdad
muy buenas tardes tenga usted
muchas gracias por la ayuda
eres un robot o una persona
hasta luego que estés bien
"""

OWN_EN = """
how much balance do i have left
please tell me my current balance
what's left on my prepaid account
i need to top up ten dollars
how can i top up from here
add credit to my number
so what do i owe you for this month
i'd like to know the amount of my bill
until what day can i pay the bill
why is my bill so high this time
i don't understand this charge on my bill
you are charging me for something i didn't use
email me my bill
i need a copy of the may invoice
i want to pay my bill by card
where can i pay what i owe
i moved, please update my billing address
sell me a five gig data pack
i ran out of data and need more gigs
show me your data packs please
what plans do you offer
how much is the unlimited plan per month
i'd like to move to a bigger plan
i want to switch to a cheaper plan
how would i go about cancelling my line
please close my account, i don't want the service any more
i've had no signal since this morning
the internet is down in my neighbourhood
there is no service on our whole street
is there coverage in the mountains
do you have signal in my village
my internet is super slow
mobile data is crawling today
my sim is blocked and it asks for the puk
i forgot the puk code
somebody stole my phone on the bus
i lost my phone and want to block the line
how do i activate an esim
i want to move my line to an esim
i want to bring my number from another carrier
how do i switch to you and keep my number
i'm travelling to spain, will my line work there
i need roaming before my trip
how much is data abroad
how much does it cost to call the united states
i want to make an international call
how do i set up my voicemail
please turn off my voicemail
i want to complain about the bad service
where do i send a formal complaint
how late are you open today
are you open on sundays
where do you have a store
what's the closest shop
put me through to an agent
i want to talk to a real person
a very good afternoon to you
thanks a lot for your help
are you a robot or a human
goodbye, have a nice day
"""

OWN_STORIES = """
quiero cambiar al plan plus en la línea 300 555 0142 desde el lunes que viene
hola buenas, es que desde anoche no me funciona el internet en la casa y trabajo desde acá, me ayudan
resulta que me llegó la factura con cincuenta mil pesos de más y yo no he usado nada fuera del plan
voy a estar en Miami del 3 al 10 de diciembre y quiero saber si puedo usar mis datos allá
compré un celular nuevo que no tiene ranura para sim y necesito pasar mi número
mi hijo perdió el teléfono en el colegio y quiero que bloqueen la línea 310 222 3344 antes de que la usen
llevo tres meses reclamando lo mismo y nadie me soluciona, quiero poner una queja formal
cuánto me costaría llamar unos veinte minutos a mi hermana que vive en Chile
estoy en otro operador pero me gustaría pasarme con ustedes conservando el número de siempre
necesito que la factura salga a nombre de mi empresa con el NIT 900123456
hi, since last night the internet at home hasn't worked and i work from here, can you help
my bill came fifty dollars higher than usual and i haven't used anything outside of my plan
i'll be in miami from december 3 to 10 and want to know whether i can use my data there
i bought a new phone without a sim slot and need to move my number over
my son lost his phone at school, please block line 310 222 3344 before somebody uses it
i have been complaining about the same thing for three months and nobody fixes it
how much would it cost to call my sister in chile for about twenty minutes
i am with another carrier but would like to come to you and keep my usual number
i need the bill in the name of my company, tax number 900123456
could you please tell me how much data i have left until the end of the month
"""


def lines(*blocks: str) -> list[str]:
    """One text of each line."""
    return [line for block in blocks for line in block.strip().splitlines()]


FOREIGN = lines(FOREIGN_ES, FOREIGN_EN, FOREIGN_PT)
OWN = lines(OWN_ES, OWN_EN)
