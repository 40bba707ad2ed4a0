"""The words that most messages are made of, in the languages that bots of the region speak.

They tell short messages apart, where spelling does not and the author's examples are silent. Folded; written for this
project. A word that is common in two of the languages stands under both.
"""

from __future__ import annotations

from collections.abc import Mapping

_SPANISH = """
el la los las un una unos unas lo al del y o pero si no de a en con por para sin sobre entre hasta desde que quien cual
cuales como cuando donde cuanto cuanta cuantos cuantas porque aunque mientras yo tu usted ustedes nosotros ellos ellas
el ella me te se nos le les mi mis su sus tus nuestro nuestra este esta esto estos estas ese esa eso esos aquel ahi aqui
alla muy mas menos mucho mucha muchos muchas poco nada nadie algo alguien alguno alguna ninguno otro otra otros todo
toda todos todas cada mismo tambien tampoco ya aun todavia siempre nunca ahora hoy ayer manana luego despues antes
soy eres es somos son era fue fui estoy estas esta estamos estan estaba hay habia he has ha hemos han tengo tienes tiene
tenemos tienen tenia quiero quieres quiere queremos quieren quisiera puedo puedes puede podemos pueden podria necesito
necesita necesitamos hago haces hace hacen hacer ir voy vas va vamos van ver saber se sabe dice decir dime diga dar dame
deme doy pon ponme poner llamar llamo llama llegar llego llega pagar pago pague debo debe deja gusta gustaria encanta
sirve funciona anda salir sale sigue sigo entiendo espero esperando hola buenas buenos dias tardes noches gracias favor
adios chao saludos vale listo claro dale bueno bien mal mejor peor perdon disculpe disculpa ayuda ayudame oiga oye senor
senora amigo cosa cosas vez veces dia semana mes ano hora horas numero nombre dinero precio telefono correo cuenta
pedido tienda linea mensaje pregunta problema queja cita uno dos tres cuatro cinco seis siete ocho nueve diez
""".strip()
_ENGLISH = """
the a an and or but if not of to in on at with by for from without about between until since that which who whom whose
what how when where why because although while i you he she it we they me him her us them my your his its our their mine
yours this these those here there very more less much many few little nothing nobody something someone anything anyone
some any none other another all every each same also too either already still yet always never now today yesterday
tomorrow later after before am is are was were be been being do does did done have has had having will would can could
should may might must want wants need needs like get gets got give gives go goes going gone come see know tell told say
says said make makes made take put call called pay paid charge charged work works working help please thanks thank hi
hello hey bye goodbye good morning afternoon evening night yes yeah yep no nope ok okay sure right well fine great bad
better worse sorry excuse just only again back out up down off over into than then so dont cant wont isnt im ive id ill
thats whats day days week weeks month year hour hours number name money price phone mail email account order shop store
line message question problem complaint appointment one two three four five six seven eight nine ten almost maybe
""".strip()
_PORTUGUESE = """
o a os as um uma uns umas ao aos do da dos das no na nos nas pelo pela e ou mas se nao de em com por para pra pro sem
sobre entre ate desde que quem qual quais como quando onde cade quanto quanta quantos quantas porque embora enquanto eu
tu voce voces nos eles elas ele ela me te lhe meu minha meus minhas seu sua seus suas nosso nossa este esta isto esse
essa isso esses aquele aquilo ali aqui muito muita muitos mais menos pouco nada ninguem algo alguem algum alguma
nenhum outro outra outros tudo todo toda todos todas cada mesmo tambem ja ainda sempre nunca agora hoje ontem amanha
depois antes logo sou es somos sao era foi fui estou esta estamos estao estava tem ha tenho temos tinha quero quer
queremos querem queria gostaria posso pode podem podemos poderia preciso precisa precisamos faco faz fazem fazer ir vou
vai vamos vao ver saber sei sabe diz dizer diga dar da dou por ligar ligo liga chegar chegou chega pagar pago paguei
devo deve deixa gosto gostei adoro adorei serve funciona sair sai continua entendi espero esperando oi ola bom boa dia
tarde noite obrigado obrigada favor tchau ate abraco certo claro beleza valeu bem mal melhor pior ruim desculpe desculpa
ajuda ajude moco moca senhor senhora amigo coisa coisas vez vezes semana mes ano hora horas numero nome dinheiro preco
telefone celular conta pedido loja linha mensagem pergunta problema reclamacao sim talvez um dois duas tres quatro cinco
seis sete oito nove dez
""".strip()
COMMON_WORDS: Mapping[str, frozenset[str]] = {
    "es": frozenset(_SPANISH.split()),
    "en": frozenset(_ENGLISH.split()),
    "pt": frozenset(_PORTUGUESE.split()),
}
"""By language."""

TELLING_LETTERS: Mapping[str, frozenset[str]] = {
    "ñ": frozenset({"es"}),
    "¿": frozenset({"es"}),
    "¡": frozenset({"es"}),
    "ã": frozenset({"pt"}),
    "õ": frozenset({"pt"}),
    "ç": frozenset({"pt"}),
    "ê": frozenset({"pt"}),
    "ô": frozenset({"pt"}),
    "â": frozenset({"pt"}),
    "à": frozenset({"pt"}),
    "á": frozenset({"es", "pt"}),
    "é": frozenset({"es", "pt"}),
    "í": frozenset({"es", "pt"}),
    "ó": frozenset({"es", "pt"}),
    "ú": frozenset({"es", "pt"}),
}
"""Letters and signs that of these languages only some have."""
