"""Words with which customers praise and complain, in Spanish, English and Portuguese, written for this project.

Folded (no accents); a ``*`` stands for any ending. Words that are polite rather than glad (thanks, please) and words
for the things that are complained of (problem, error, delay) are left out on purpose: they are said calmly, too.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Literal

from nlp.common_words import COMMON_WORDS

_GOOD = """
bien buen bueno buena buenos buenisim* mejor mejores rico rica riquisim* lindo linda lindas lindos lindisim* bello
bella bonito bonita hermos* feliz felic* contento contenta contentisim* alegr* facil comodo comoda comodidad amor
amoros* crack joya guay mola molan chido chida bacan* piola lujo sol majo maja majos majas capo capa alivi* gusto
gusta gustan encant* fascin* recomiend* recomend* excelen* genial* perfect* maravill* fantast* increible* estupend*
fabulos* impecab* delicios* exquisit* agradec* agradab* satisf* tranquil* profesional* puntual* atent* rapidisim*
rapidit* chever* padrisim* espectacul* divertid* honest* brillant* esplendid* cordial* simpatic* carin* amabil*
amable* inmejorab* insuperab* optim* extraordinari* magnific* sensacional* encantador* generos* respetu* solucionado
resuelto resolvieron logr* bravo exito* eficien* valoro agil confio querid* adoro abrazo bendicion* orgull* disfrut*
ahorr* calid* emocion* ilusion* sorprend* afortunad* dichos* good great nice nicest best better love loves loved
loving lovely happy happier happiest glad cool ace easy fun kind kindness sweet star legend legends fast smooth
smoothly proud win won wow yay thankful gem kudos cheers pleased pleasure amaz* awesom* wonder* brillian* excell*
beauti* delight* deligh* thrill* enjoy* recommend* grateful* gratitude appreciat* reliev* relief friendl* helpful*
flawless* gorgeous* outstand* superb* tasty yummy delicious pleasant* stunn* marvel* ador* congrat* incredib*
profession* polite fabul* terrific splendid exceptional* attentive caring generous genius hero quick* prompt* painless
hassle-free seamless* worth trust* comfort* cosy cozy exceed* blessed bless favorite favourite glow* charm* blown
top-notch spotless superior remark* efficien* competent knowledgeable respectful courteous warm welcoming solved
sorted bom boa bons boas melhor melhores otimo otima otimos amei amo amamos amou adorei fera massa show top legal
maneiro bacana fofo fofa doce gostei gostamos valeu delici* maravilh* incrivel incriveis paraben* perfeit* gentil*
gentilez* sensacion* atencios* encantad* simpati* quentinh* rapidinh* certinh* impecav* excelent* fantastic* agradav*
otimist* carinh* educad* prestativ* qualidad* eficient* elogi* caprich* surpreend* gratidao grata grato abencoad*
arras* brilh* confortav* indico esperto esperta genial geniais inesquecivel inesquecib* unforgettabl* inolvidab*
gracinha graca precioso preciosa preciosos preciosas impresionante impressive impressed impressionante angel angeles
anjo anjos heaven blessing prettier pretty champion beauty joy joyful paz sonrisa sorriso smile smiled smiling reina
rainha queen suerte sorte lucky luck prazer emocao emocionante ternura ricura belleza beleza unbeatab* spectacul*
speechless peace idolo mito espetacul* moleza topzera campeon* campea* sortud* excited exciting delish queridos gold
treat pampered smoothest cleanest clean tidy neat stellar excelling incredibly fabuloso insuperable inolvidable
bendito alegre sonriente tierno impecables rapidos eficaz eficaces confiables confiavel confiaveis dedicado dedicada
dedicados gratifying refreshing uplifting
"""

_BAD = """
mal mala malo malos peor peores pesim* asco asquer* rabia bronca ira burla burlan fraude robo roban robaron abuso
abusan abusiv* harto harta hartos podrido podrida chafa chafas lentisim* carisim* rotos sucio sucia feo fea triste
tristez* miedo terror inutil* ladron* basura penoso fatal mierda joder coraje verguenz* horribl* horror* terribl*
espant* desastr* indign* injust* incompet* inacept* inadmisib* decepcion* estaf* engan* mentir* mienten frustr*
molest* enoj* enfad* furios* desesper* cansad* canse grosero grosera grosero* malcriad* maleduc* maltrat* insult*
arrepient* prepotent* denunci* lamentab* lamento ridicul* absurd* calvari* pesadill* chapuz* sinverguenz* porqueri*
cagad* tonteri* incumpl* perdieron arruin* descar* desvergonz* defraud* impotenci* angusti* dolor humill* abandon*
negligen* irrespet* irrespons* caos caotic* odio odian detesto fastidi* cabron* pendej* boludo* idiot* estupid*
imbecil* hdp ptm carajo mamada* timo timado* tomadura hipocrit* excusas excusa demoradisim* indolen* vergonzos*
insoport* insufrib* inhuman* atroz ineptos inept* desidia bad badly worse worst hate hates hated angry anger mad sad
sadly awful* rude rudest joke scam scam* fraud* lie lies lied liar liars useless trash crap crappy shit shitty
bullshit wtf suck sucks sucked ugly unfair poorly mess messed upset upsetting fed sick ugh gross dumb stupid* damn
fault shame* ashamed garbage rubbish horrib* disgust* disappoint* frustrat* annoy* outrag* unaccept* pathetic*
nightmar* infuriat* furious* desperat* scamm* appall* dreadf* inconsider* arrogan* horrend* unbelievab* embarrass*
unprofession* worthless miser* regret* ignor* clueless hopeless careless liar* thief thieves stole ripoff robbed
cheat* mislead* misled dirty filthy nasty lousy atroc* disrespect* unreliab* neglig* excuse excuses ruin* scared
afraid terrif* worried worr* cry crying hell bloody fuck* pissed smh exhaust* disast* shambles unhappy dissatisf*
unhelpful pointless abysmal deceiv* deceptiv* dishonest* disgrace* condescend* ruim pior piores raiva lixo nojo
nojent* merda droga porcaria* golpe descaso suja triste* medo aff affs palhac* trouxa grosso grossa grosseir* chato
chata pessim* horrivel horriveis terrivel vergonh* decepc* inaceitav* inadmissiv* ladroe* ladrao irrit* chatea* cansei
cansa destrat* desrespeit* pesadel* arrepend* enrola* enganad* porra caralho bosta fdp vsf odeio odiei detest*
sacanag* palhacad* inutil inuteis estrag* prejuiz* abus* roub* desuman* humilha* mentiros* pilantr* safad* safadeza
bagunca enrolac* insuport* revolt* trist* sofr* descarad* lament* apavor* preocupant* falha* wasted wasting cansada
cansado unbearab* insufferab* unusab* laughab* stressful stressed estres estresado estresante estresse desilusion*
heartbrok* gutted bummer junk robbery ffs dull boring bored aburrid* aburre begging tears ratero* corrupt* patetic*
malisim* feisim* golpist* lerd* lastim* vagabund* llorando llore lloro chorando chorei abuse abusive extort* swindl*
crook* clown clowns sloppy shoddy botched abandoned mistreat* unreason* intolera* inservib* inutilizab* chapucer*
descuidad* desorden desorganiz* indiferen* indiferenc* malhumorad* antipatic* mezquin* ineficien* ineficaz ineficaces
inepcia fiasco fracaso fracas* penosa quejoso hartazgo agotad* exausta exausto esgotad* frustrante revoltante
irritante apalling failed neglect* demorados infern* torment* sofriment* sufri* aguantar aguanto aguento
"""

_GOOD_PHRASES = """
vale la pena; valio la pena; menos mal; de diez; de primera; me salvaste; me salvaron; un peso de encima; sigan asi;
asi da gusto; con los ojos cerrados; sin dudarlo; por fin; de maravilla; de lujo; lo maximo; cinco estrellas; diez
puntos; un golazo; todo bien; sin problemas; ningun problema; sin queja; sin ninguna queja; nada que reprochar; ya
funciona; mil gracias; muchas gracias; muchisimas gracias; gracias por todo; un monton; que detalle; me rei; que
bueno; que bien; salio redondo; mano de santo; a la primera; cero problemas; me encanto; 10 puntos; un 10; un diez;
save my day; saved my day; saved me; worth it; worth every; five stars; top notch; first class; like a charm; keep it
up; keep up; well done; good job; great job; nothing to complain; no complaints whatsoever; thank you so much; thanks
so much; thanks a lot; thanks a million; thank god; what a relief; a weight off; over the moon; above and beyond; at
last; on time; in no time; hats off; nailed it; all sorted; all good; no fuss; made my day; hit the spot; spot on;
second to none; can't complain; would buy again; be back; the best; you rock; guys rock; well looked after; vale cada;
valeu a pena; valeu a espera; deu certo; nota dez; nota 10; nota mil; olhos fechados; sem pensar duas; continuem
assim; da gosto; mandou bem; mandaram bem; mandaram muito bem; ate que enfim; muito obrigado; muito obrigada; obrigado
por tudo; obrigada por tudo; de bola; cinco estrelas; nada a reclamar; so elogios; tudo certo; tudo certinho; um peso;
com certeza voltar; alem do esperado; salvou meu dia; me salvou; de coracao; de corazon; mil maravilhas; sin duda; sin
dudas; sem duvida; no hay nada mejor; nao tem nada melhor; nothing better; perdio el miedo; perdeu o medo; vale oro;
vale ouro; boca abierta; boca aberta; sin palabras; sem palavras; changed my life; cambio la vida; mudou minha vida;
feel at home; sentir en casa; nos sentimos em casa; like a baby; como un bebe; feito um bebe; never let me down; can't
wait; no me quejo; not complaining; nao reclamo; never fail; nunca fallan; nunca falham; justo lo que buscaba; just
what i was looking for; o que eu procurava; never failed me; nunca me deixaram na mao; jamas me han fallado; will come
back; coming back for sure; volvere sin dudas; voltarei; no me canso de; nao canso de; speak highly; thumbs up; big
fan; money well spent; plata bien gastada; dinheiro bem gasto; better than expected; mejor de lo que; melhor do que
eu; puta madre; da hora; como rainha; como reina; like a queen; na hora; no questions asked; supero mis expectativas;
superou minhas expectativas; exceeded my expectations
"""

_BAD_PHRASES = """
gracias por nada; para nada; de nada sirve; no sirve; no sirven; no puede ser; nunca mas; hasta cuando; hasta la
coronilla; hasta las narices; ya basta; ya aburre; no hay derecho; da igual; les da igual; a rogar; ni siquiera; ni
caso; nadie responde; nadie contesta; nadie resuelve; nadie me responde; nadie me contesta; ninguna respuesta; sin
respuesta; ni una disculpa; una semana esperando; sigo esperando; llevo horas; llevo dias; llevo semanas; cada rato;
otra vez lo mismo; lo mismo de siempre; la misma historia; perder el tiempo; perdi el tiempo; el colmo; deja mucho que
desear; lavan las manos; se lava las manos; lo barato sale; cero estrellas; quiero mi dinero; devuelvanme; falta de
respeto; cambio de compania; me voy a la competencia; dejado tirado; dejaron tirado; dejaron tirados; no aguanto; no
doy mas; no me sirve; no entiendes; exijo; no pienso; que chiste; tomada de pelo; tomarme el pelo; thanks for nothing;
for nothing; never again; how dare; had enough; have had it; had it up; so done; sick of; sick and tired; fed up;
waste of; waste my; wasted my; what a joke; nobody cares; no one cares; nobody answers; no one answers; nobody
replies; still waiting; still nothing; over and over; yet again; not again; same old; same story; even bother; joke
of; let down; letting me down; falling apart; leaves a lot; zero stars; one star; my money back; my lawyer; take my
business; the hell; at your wits; wits end; can't stand; can not stand; on hold for; hung up; run around; no help; not
once; give a damn; lost my patience; losing patience; last straw; driving me; enough is enough; yeah right; oh sure;
put up with; taking advantage; take advantage; leave me alone; obrigado por nada; obrigada por nada; pra nada; nunca
mais; ate quando; de saco cheio; saco cheio; nao aguento; nao serve; nao servem; ninguem responde; ninguem atende;
ninguem resolve; ninguem me responde; nem ai; nem ligam; sem resposta; toda hora; de novo nao; de novo isso; mesma
historia; mesma coisa de sempre; perda de tempo; perder tempo; perdi a paciencia; falta de respeito; falta de
educacao; falta de consideracao; lavam as maos; deixa a desejar; muito a desejar; nota zero; meu dinheiro de volta; no
procon; reclame aqui; abrir processo; ja deu; cansei; ta de sacanagem; de brincadeira; cara de pau; dor de cabeca; e a
gota; me arrependi; assim nao da; que saco; continuo esperando; sem vergonha; sem vergonhas; mal gusto; mau gosto;
poor taste; rip off; money away; tirar la plata; dinheiro fora; never learn; no aprenden; nao aprendem; nada funciona;
nothing works; in tears; wouldn't buy; no lo volveria; nao compraria; didn't help; no me ayudaron; no ayudan; nao
ajudou; nao ajuda; tiempo perdido; tempo perdido; cada centavo; every cent; puro humo; made up fee; in my face; en la
cara; na minha cara; por los suelos; um pe no saco; que ganas de llorar; my blood; your own game; mas de lo mismo;
more of the same; sick to; peor que; worse than; pior que; wore me out; me agota; me cansa; no me toman en serio; ni
se inmuta; nem se mexe; does nothing; no hacen nada; nao fazem nada; no cumplio mis expectativas; nao atendeu minhas
expectativas; not live up
"""

_CALM_PHRASES = """
buenos dias; buen dia; buenas tardes; buenas noches; good morning; good afternoon; good evening; good day; bom dia;
boa tarde; boa noite; no hay problema; no problem; sem problema; no es urgente; quick question; mejor el; mejor por;
is better; are better; e melhor; es mejor; mas grande; quedo grande; ficou grande; que recomienda; me recomienda; me
recomiendas; do you recommend; voce recomenda; cual es mejor; which is better; de acuerdo; quedo atento; quedo atenta;
me gustaria; i'd like; would like; i'd love; gostaria de; en efectivo; fora de lugar; tudo bem; how are you; como
esta; si es tan amable; be so kind; cuanto demora; quanto demora; camion de la basura; caminhao do lixo; recogen la
basura; o lixo; garbage collection; cuanto antes; cheers mate; happy to; feliz de ayudar; mejor precio; best price;
melhor preco; mala direccion; mal la direccion; la mejor hora; best time; melhor horario; a bit slow; un poco lento;
um pouco lento; esta lento; ta lenta; esta lenta; esta bien; ta bem; mejor no; melhor nao; not right now; por ahora
no; no por ahora; por enquanto nao; atenciosamente; bueno , lo pienso; fine , tomorrow; modelo grande; por la tarde
mejor
"""


Mood = Literal["good", "bad", "calm", ""]


def _read(listed: str) -> tuple[frozenset[str], frozenset[str]]:
    """Whole words, and stems."""
    words = listed.split()
    return (
        frozenset(word for word in words if not word.endswith("*")),
        frozenset(word.removesuffix("*") for word in words if word.endswith("*")),
    )


_LONG_WORD = 4
_Phrases = Mapping[str, tuple[tuple[tuple[str, ...], Mood], ...]]


def _phrases() -> _Phrases:
    """By their first word, the longest first."""
    found: dict[str, list[tuple[tuple[str, ...], Mood]]] = {}
    listed: tuple[tuple[Mood, str], ...] = (("good", _GOOD_PHRASES), ("bad", _BAD_PHRASES), ("calm", _CALM_PHRASES))
    for mood, phrases in listed:
        for phrase in phrases.split(";"):
            words = tuple(phrase.split())
            found.setdefault(words[0], []).append((words, mood))
    return {first: tuple(sorted(some, key=lambda one: -len(one[0]))) for first, some in found.items()}


_GOOD_WORDS, _GOOD_STEMS = _read(_GOOD)
_BAD_WORDS, _BAD_STEMS = _read(_BAD)
_SHORTEST = min(map(len, _GOOD_STEMS | _BAD_STEMS))
_LONGEST = max(map(len, _GOOD_STEMS | _BAD_STEMS))


@functools.lru_cache(maxsize=20_000)
def mood_of(word: str) -> Mood:
    """``good``, ``bad`` or empty, for a folded word. The longest stem that fits decides."""
    if word in _GOOD_WORDS:
        return "good"
    if word in _BAD_WORDS:
        return "bad"
    for length in range(min(_LONGEST, len(word)), _SHORTEST - 1, -1):
        stem = word[:length]
        if stem in _GOOD_STEMS:
            return "good"
        if stem in _BAD_STEMS:
            return "bad"
    return ""


def _keys(phrases: _Phrases) -> frozenset[str]:
    """Of each phrase the word that is said least elsewhere: where none of them stands, no phrase does."""
    common = frozenset().union(*COMMON_WORDS.values())

    def rarity(place_and_word: tuple[int, str]) -> tuple[bool, bool, bool, int]:
        place, word = place_and_word
        return word not in common, bool(mood_of(word)), len(word) >= _LONG_WORD, place

    return frozenset(max(enumerate(words), key=rarity)[1] for some in phrases.values() for words, _ in some)


_PHRASES = _phrases()
_MOST_WORDS = max(len(words) for some in _PHRASES.values() for words, _ in some)
PHRASE_KEYS = _keys(_PHRASES)
"""A text without any of these words holds no fixed phrase."""


def phrase_at(words: Sequence[str], place: int) -> tuple[int, Mood]:
    """How many words of a fixed phrase stand at *place*, and its mood; ``(0, "")`` where there is none."""
    some = _PHRASES.get(words[place])
    if some is None:
        return 0, ""
    here = tuple(words[place : place + _MOST_WORDS])
    for phrase, mood in some:
        if here[: len(phrase)] == phrase:
            return len(phrase), mood
    return 0, ""
