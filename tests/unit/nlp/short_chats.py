"""Short messages as people write them to a business, in three languages; written for measuring language detection."""

from __future__ import annotations

SPANISH = """
hola|buenas|buenos días|buenas tardes|gracias|muchas gracias|sí|claro que sí|no gracias|vale|listo|ok perfecto
hasta luego|adiós|ayuda|necesito ayuda|quiero un café|dónde están|cuánto vale|cuánto cuesta|tienen envíos
a qué hora abren|precio|horario|dirección|mi pedido|dónde está mi pedido|no llegó|todavía nada|llegó roto
quiero devolverlo|quiero cancelar|cancelar|cambiar la talla|qué tallas hay|hay en rojo|me pueden llamar
hablar con alguien|una persona por favor|no funciona|no me sirve|está mal|está muy caro|hay descuento
tienen ofertas|cómo pago|puedo pagar con tarjeta|efectivo|transferencia|la factura|me cobraron dos veces
quiero mi dinero|cuándo llega|mañana|el lunes|esta tarde|ayer|hoy mismo|más tarde|ya pagué|no entiendo
qué significa eso|me lo explicas|otra vez|desde el martes no anda|se cortó la luz|olvidé mi clave|contraseña
no puedo entrar|mi cuenta está bloqueada|cambiar mi correo|soy Ana|me llamo Luis|vivo en Cali|calle 5 número 20
quiero una cita|reservar mesa para dos|cancelar la cita|cambiar la hora|tengo una queja|mal servicio
muy buena atención|excelente|me encanta|qué mal|estoy esperando|sigo esperando|hace una hora|cuánto falta|ya casi
bueno|de acuerdo|está bien|dale|perfecto|no sé|tal vez|depende|quizás luego|me interesa|quiero saber más
mándame información|dame el número|cuál es la página
""".strip()
ENGLISH = """
hi|hello|hey there|good morning|good evening|thanks|thank you so much|yes|yeah sure|no thanks|okay|all good
see you later|bye|help|i need help|can i get a coffee|where are you|how much|how much is it|do you deliver
when do you open|price|opening hours|address|my order|where is my order|it has not arrived|still nothing
it came broken|i want to return it|i want to cancel|cancel|change the size|what sizes do you have
is it available in red|can someone call me|talk to a human|a person please|it does not work|this is useless
that is wrong|too expensive|any discount|do you have offers|how do i pay|can i pay by card|cash|bank transfer
the invoice|you charged me twice|i want my money back|when will it arrive|tomorrow|on monday|this afternoon
yesterday|today|later|i already paid|i do not understand|what does that mean|can you explain|again
it has been down since tuesday|the power went out|i forgot my password|password|i cannot log in
my account is locked|change my email|i am Ana|my name is Luis|i live in Boston|5 main street|i need an appointment
table for two|cancel my appointment|change the time|i have a complaint|bad service|great service|excellent|love it
so bad|i am waiting|still waiting|for an hour|how long|almost|well|agreed|that is fine|go ahead|perfect
i do not know|maybe|it depends|perhaps later|i am interested|tell me more|send me the details|give me the number
what is the website|who are you|are you a robot|stop|never mind|something else|not now
""".strip()
PORTUGUESE = """
oi|olá|bom dia|boa tarde|boa noite|obrigado|muito obrigada|sim|claro que sim|não obrigado|tudo bem|certo|até logo
tchau|ajuda|preciso de ajuda|quero um café|onde vocês ficam|quanto é|quanto custa|vocês entregam|que horas abre
preço|horário|endereço|meu pedido|cadê meu pedido|não chegou|nada ainda|chegou quebrado|quero devolver
quero cancelar|cancelar|trocar o tamanho|quais tamanhos tem|tem em vermelho|podem me ligar|falar com alguém
um atendente por favor|não funciona|não serve|está errado|muito caro|tem desconto|têm promoções|como pago
posso pagar com cartão|dinheiro|pix|transferência|a fatura|segunda via|me cobraram duas vezes
quero meu dinheiro de volta|quando chega|amanhã|na segunda|hoje à tarde|ontem|hoje mesmo|mais tarde|já paguei
não entendi|o que significa isso|pode me explicar|de novo|desde terça não funciona|acabou a luz|esqueci minha senha
senha|não consigo entrar|minha conta está bloqueada|mudar meu e-mail|sou a Ana|me chamo Luís|moro em Recife
rua 5 número 20|quero marcar um horário|mesa para dois|desmarcar a consulta|mudar a hora|tenho uma reclamação
péssimo atendimento|ótimo atendimento|excelente|adorei|que ruim|estou esperando|continuo esperando|faz uma hora
quanto falta|quase|bom|combinado|está bom|pode ser|perfeito|não sei|talvez|depende|quem sabe depois|tenho interesse
quero saber mais|me manda as informações|me passa o número|qual é o site|quem é você|você é um robô|para
deixa pra lá|outra coisa|agora não|beleza|valeu
""".strip()


def texts(written: str) -> list[str]:
    """The messages of one language."""
    return [text for line in written.splitlines() for text in line.split("|")]


CHATS: dict[str, list[str]] = {"es": texts(SPANISH), "en": texts(ENGLISH), "pt": texts(PORTUGUESE)}
