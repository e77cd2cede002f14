"""Questions written by hand, as people type: the text, and the title that is meant."""

from typing import Final

from bench.search.films import Films
from bench.search.kinds import Ask

__all__ = ["WRITTEN", "written"]

WRITTEN: Final = "written by hand"

_TYPOS: Final = """
inceptoin = Inception
intersteller = Interstellar
gladiater = Gladiator
godfahter = The Godfather
the godfater part 2 = The Godfather Part II
schindlers lsit = Schindler's List
pulp ficton = Pulp Fiction
forest gump = Forrest Gump
shawshenk redemption = The Shawshank Redemption
casablnca = Casablanca
vertgio = Vertigo
trainspoting = Trainspotting
amadaeus = Amadeus
ratatouile = Ratatouille
biuiful = Biutiful
apocalipse now = Apocalypse Now
good will huntign = Good Will Hunting
the presitge = The Prestige
goodfelas = Goodfellas
psyco = Psycho
finding nimo = Finding Nemo
the incredibels = The Incredibles
pinochio = Pinocchio
fantazia = Fantasia
the big lebowsky = The Big Lebowski
terminater 2 = Terminator 2: Judgment Day
jurasic park = Jurassic Park
brokeback montain = Brokeback Mountain
slumdog milionaire = Slumdog Millionaire
lawrance of arabia = Lawrence of Arabia
blade runer = Blade Runner
cinema paradisso = Cinema Paradiso
"""
_ACCENTS: Final = """
la jetee = La Jetée
deja vu = Déjà Vu
leon the professional = Léon: The Professional
leon = Léon: The Professional
el nino = El Niño
irreversible = Irréversible
jour de fete = Jour de Fête
katyn = Katyń
101 reykjavik = 101 Reykjavík
double life of veronique = The Double Life of Véronique
nausicaa = Nausicaä of the Valley of the Wind
seraphine = Séraphine
cria cuervos = Cría Cuervos
les miserables = Les Misérables
demi soeur = Demi-sœur
amelie = Amélie
"""
_SMALL_WORDS: Final = """
to be or not to be = To Be or Not to Be
up = Up
her = Her
them = Them!
they live = They Live
if = If....
what about bob = What About Bob?
10 = 10
z = Z
being there = Being There
after hours = After Hours
no such thing = No Such Thing
"""
_INITIALS: Final = """
et the extra terrestrial = E.T. the Extra-Terrestrial
e t extraterrestrial = E.T. the Extra-Terrestrial
mash = MASH
m*a*s*h = MASH
la confidential = L.A. Confidential
swat = S.W.A.T.
ai artificial intelligence = A.I. Artificial Intelligence
gi jane = G.I. Jane
iq = I.Q.
doa = D.O.A.
crazy = C.R.A.Z.Y.
escape from la = Escape from L.A.
"""
_NUMBERS: Final = """
twelve angry men = 12 Angry Men
7 samurai = Seven Samurai
oceans 11 = Ocean's Eleven
rocky 2 = Rocky II
rocky three = Rocky III
magnificent 7 = The Magnificent Seven
3:10 to yuma = 3:10 to Yuma
three ten to yuma = 3:10 to Yuma
8 1/2 = 8½
catch 22 = Catch-22
12 monkeys = 12 Monkeys
twelve monkeys = 12 Monkeys
400 blows = The 400 Blows
ten things i hate about you = 10 Things I Hate About You
500 days of summer = (500) Days of Summer
thirteen assassins = 13 Assassins
terminator three = Terminator 3: Rise of the Machines
the godfather 3 = The Godfather Part III
"""
_TRANSLITERATED: Final = """
аватар = Avatar
терминатор 2 = Terminator 2: Judgment Day
гладиатор = Gladiator
титаник = Titanic
шрек = Shrek
рашомон = Rashomon
икиру = Ikiru
персона = Persona
солярис = Solaris
сталкер = Stalker
хоббит = The Hobbit: An Unexpected Journey
бэтмен = Batman
казабланка = Casablanca
амадеус = Amadeus
фарго = Fargo
фантазия = Fantasia
годзилла = Godzilla
пиноккио = Pinocchio
"""
_LAYOUTS: Final = """
ьфекшч = The Matrix
штсузешщт = Inception
фмфефк = Avatar
зыньсрщ = Psycho
пщваферук = The Godfather
ащккуые пгьз = Forrest Gump
rfpf,kfyrf = Casablanca
"""
_HYPHENS: Final = """
spiderman = Spider-Man
spider man 2 = Spider-Man 2
xmen = X-Men
x men first class = X-Men: First Class
benhur = Ben-Hur
ben hur = Ben-Hur
kickass = Kick-Ass
wall e = WALL-E
walle = WALL-E
face off = Face/Off
faceoff = Face/Off
scoobydoo = Scooby-Doo
reanimator = Re-Animator
kon tiki = Kon-Tiki
deja-vu = Déjà Vu
oldboy = Oldboy
old boy = Oldboy
"""
_POSSESSIVES: Final = """
schindler list = Schindler's List
schindlers list = Schindler's List
oceans eleven = Ocean's Eleven
ender game = Ender's Game
rosemarys baby = Rosemary's Baby
pans labyrinth = Pan's Labyrinth
one flew over the cuckoos nest = One Flew Over the Cuckoo's Nest
its a wonderful life = It's a Wonderful Life
no mans land = No Man's Land
gullivers travel = Gulliver's Travels
childs play = Child's Play
bridget jones diary = Bridget Jones's Diary
"""
_PEOPLE: Final = """
nolan inception = Inception
kubrick shining = The Shining
hitchcock birds = The Birds
tarantino pulp = Pulp Fiction
scorsese taxi = Taxi Driver
spielberg jaws = Jaws
fincher club = Fight Club
kurosawa seven = Seven Samurai
lynch mulholland = Mulholland Drive
coen fargo = Fargo
cameron avatar = Avatar
fellini strada = La Strada
bergman persona = Persona
miyazaki totoro = My Neighbor Totoro
jeunet amelie = Amélie
tarkovsky mirror = The Mirror
wilder apartment = The Apartment
ridley scott alien = Alien
"""


def written(films: Films) -> list[Ask]:
    """Return the questions whose films are in the set."""
    parts = (
        *(_TYPOS, _ACCENTS, _SMALL_WORDS, _INITIALS, _NUMBERS, _TRANSLITERATED, _LAYOUTS, _HYPHENS),
        *(_POSSESSIVES, _PEOPLE),
    )
    lines = [line.split(" = ") for part in parts for line in part.strip().splitlines()]
    return [(text, films.by_title[title]) for text, title in lines if title in films.by_title]
