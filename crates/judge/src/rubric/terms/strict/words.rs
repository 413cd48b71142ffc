//! The word lists of the strict reading. Folded spellings (no accents); plurals in s, es and z are
//! found by themselves where a list is used as phrases, and a phrase also written as one word.

/// Refused wherever they stand.
#[rustfmt::skip]
pub(super) const REFUSED: &[&str] = &[
    // Law, age and body.
    "minor", "underaged", "non adult", "pre adult", "half adult", "age of consent", "under 18", "sub 18",
    "coming of age", "not of age", "not yet of age", "below the age", "below age",
    "illegal age", "not legal", "un der age", "ephebe", "ephebic", "early years", "formative years", "born recently", "dozen year", "decade old",
    "immature", "undeveloped", "underdeveloped", "under developed", "still developing", "developing body",
    "developing breast", "developing chest", "budding", "breast bud", "nubile", "virginal girl",
    "training bra", "pacifier", "diaper", "baby bottle", "baby fat", "puppy fat", "pint sized", "kid sized",
    // Looking young.
    "youthful", "youthfully", "youthfulness", "young looking", "younger looking", "looks young", "look young",
    "looking young", "appears young", "appear young", "looks younger", "look younger", "looking younger",
    "appears younger", "younger than", "young face", "young body", "younger version", "younger self",
    "when she was young", "when he was young", "deaged", "de aged", "aged down", "age down", "de aging",
    "age regression", "age regressed", "regressed", "babyfaced", "girlish", "boyish", "chibi", "smol",
    "gamine", "ingenue", "waif",
    // Young people, small people.
    "young thing", "young one", "young un", "young lady", "young ladies", "little lady", "little ladies",
    "young miss", "little miss", "little princess", "little angel", "little thing", "little cutie",
    "little woman", "little women", "little man", "little men", "little female", "little male", "littles",
    "young female", "young male", "junior", "younger sister", "younger brother", "lil sis", "little sis",
    "lil sister", "lil brother", "lil bro", "baby sister", "baby brother", "baby sis", "ddlg", "ddlb", "abdl",
    "petite girl", "petite boy", "innocent girl", "innocent boy", "short girl", "short boy", "shy girl", "shy boy",
    "skinny girl", "skinny boy", "virgin girl", "virgin boy", "sweet girl", "mini girl", "cute girl", "cute boy",
    // Family, from the parents' side.
    "daughter", "son", "stepdaughter", "stepson", "step daughter", "step son", "granddaughter", "grandson",
    "niece", "nephew",
    // School.
    "pre school", "school", "sailor fuku", "sailor uniform", "serafuku", "sailor suit", "gym uniform",
    "gymslip", "buruma", "randoseru", "gakuran", "school swimsuit", "sukumizu", "kogal", "joshi kousei",
    "jk", "prom", "prom night", "prom queen", "homecoming", "sixth form", "sixth former", "sixthformer",
    "jr high", "jr school", "jrhigh", "hischool", "highskool", "skool", "gym class", "sex ed", "pe kit", "p e kit",
    "detention", "homeroom", "sailor moon", "summer camp", "k 12", "playground", "nursery", "quinceanera", "mitzvah", "first communion",
    // Borrowed words.
    "shoujo", "shojo", "shounen", "shonen", "bishoujo", "bishojo", "bishounen", "bishonen", "imouto", "otouto",
    "kodomo", "lolibaba", "nymphette", "legal loli", "moppet", "rugrat", "ankle biter", "bairn", "brat", "lil one",
    // A small l for an i.
    "chlld", "mlnor", "klds", "glrl",
];

/// Phrases in which a word of [`REFUSED`] means something else.
#[rustfmt::skip]
pub(super) const REFUSED_EXEMPT: &[&str] = &[
    "minor key", "minor chord", "minor scale", "minor scratch", "minor detail", "minor imperfection",
    "minor blemish", "minor flaw", "minor wrinkle", "minor damage", "minor wear", "minor adjustment",
    "minor change", "minor edit", "school of",
];
/// "old school", "art school": places of grown people, or no place at all.
pub(super) const SCHOOL_EXEMPT: &[&str] = &[
    "old", "art", "arts", "film", "law", "medical", "med", "business", "grad",
];

/// The same in other languages: words as they are folded (see `fold`), so Cyrillic is not among them.
#[rustfmt::skip]
pub(super) const REFUSED_FOREIGN: &[&str] = &[
    "nina", "nino", "ninas", "menor", "menores", "colegiala", "adolescente", "jovencita", "jovencito",
    "chiquilla", "menina", "menino", "fillette", "jeune fille", "petite fille", "garcon", "enfant", "mineur",
    "mineure", "ecoliere", "lyceenne", "collegienne", "madchen", "maedchen", "kleinkind", "jugendliche",
    "schulerin", "schuelerin", "minderjahrig", "minderjaehrig", "bambina", "bambino", "ragazzina", "ragazzino",
    "minorenne", "dziecko", "dziewczynka", "meisje", "jongetje", "flicka",
    // Numbers from ten to seventeen that are no English words.
    "onze ans", "douze ans", "once anos", "doce anos", "elf jahre", "zwolf",
    "treize", "quatorze", "quinze", "seize ans", "dix sept", "trece", "catorce", "quince anos", "dieciseis",
    "diecisiete", "dreizehn", "vierzehn", "funfzehn", "fuenfzehn", "sechzehn", "siebzehn", "tredici",
    "quattordici", "quindici", "sedici", "diciassette", "dezesseis", "dezessete",
];

/// Found anywhere in the text as it was written, in lower case.
#[rustfmt::skip]
pub(super) const REFUSED_RAW: &[&str] = &[
    "女の子", "男の子", "少年", "学生", "學生", "生徒", "女孩", "男孩", "小女", "小男", "制服", "年下", "合法ロリ",
    "소녀", "소년", "여고생", "여중생", "교복", "학생", "девочк", "мальчик", "школьн", "лолит", "малолет", "надцат", "ребён",
    "детск", "дитин", "طفل", "बच्च", "👧", "👦", "👶", "🧒", "👼", "🍼", "🚸",
];

/// Words that are recognised with letters starred out ("l*li").
pub(super) const MASKED: &[&str] = &[
    "loli",
    "lolis",
    "lolita",
    "shota",
    "teen",
    "teens",
    "teenage",
    "teenager",
    "child",
    "children",
    "kid",
    "kids",
    "girl",
    "girls",
    "boy",
    "boys",
    "minor",
    "minors",
    "underage",
    "preteen",
    "tween",
    "schoolgirl",
    "daughter",
];
/// "girl" and "boy" in their spellings.
pub(super) const GIRL: &[&str] = &["girl", "gurl", "grl", "gril", "lass", "lassie", "girly", "girlie"];
pub(super) const BOY: &[&str] = &["boy", "boi", "lad", "laddie"];

/// Beside "girl" or "boy" these describe somebody childlike, whatever else is said.
#[rustfmt::skip]
pub(super) const SMALL: &[&str] = &[
    "small", "smaller", "little", "tiny", "petite", "young", "younger", "youngish", "wee", "lil", "miniature",
    "innocent",
];

/// Beside "girl", "boy" or a word of [`SMALL`] that says young or small, these do as well.
#[rustfmt::skip]
pub(super) const CHILDISH: &[&str] = &[
    "pigtail", "twintail", "twin tail", "braces", "lollipop", "teddy bear", "teddy", "stuffed animal", "plushie",
    "flat chest", "flat chested", "flatchested", "dollhouse", "doll house", "crib", "bib", "onesie", "mary janes",
    "hello kitty", "crayon", "pinafore", "hair ribbon", "cartoon underwear", "dimple", "baby doll",
];
pub(super) const CHILDISH_WITH: &[&str] = &[
    "girl", "boy", "young", "petite", "small", "tiny", "little", "innocent", "mini", "lass", "lad",
];

/// Allowed only where the text says that somebody is an adult.
#[rustfmt::skip]
pub(super) const NEEDS_ADULT: &[&str] = &[
    "student", "cheerleader", "cheerleading", "cheer uniform", "classroom", "class room", "freshman", "freshmen",
    "sophomore", "gymnast", "ballerina", "ballet class", "femboy", "tomboy", "babysitter", "dormitory", "dorm",
    "locker room", "homework", "teacher", "scout uniform", "pleated skirt", "plaid skirt",
];

/// Adults, for the rule above and for tags such as "1girl".
pub(super) const WOMAN: &[&str] = &["woman", "lady", "milf", "businesswoman", "housewife", "wife", "mother"];
pub(super) const WOMEN: &[&str] = &[
    "women",
    "ladies",
    "milfs",
    "businesswomen",
    "housewives",
    "wives",
    "mothers",
];
pub(super) const MAN: &[&str] = &["man", "gentleman", "businessman", "husband", "father"];
pub(super) const MEN: &[&str] = &["men", "gentlemen", "businessmen", "husbands", "fathers"];
pub(super) const FEMALE: &[&str] = &["female", "females"];
pub(super) const MALE: &[&str] = &["male", "males"];
pub(super) const ADULT: &[&str] = &[
    "adult",
    "grown",
    "mature",
    "grownup",
    "elderly",
    "college",
    "university",
];
pub(super) const ADULTS: &[&str] = &["adults", "grownups"];
pub(super) const DECADES: &[&str] = &[
    "twenties",
    "thirties",
    "forties",
    "fifties",
    "sixties",
    "seventies",
    "eighties",
    "nineties",
];
/// After "adult" or "mature": said of the picture, not of anyone in it.
pub(super) const THEMES: &[&str] = &[
    "content", "theme", "themes", "themed", "film", "movie", "video", "scene", "rating", "rated", "only", "site",
    "magazine", "toy", "toys", "store", "humor", "campus", "age", "ages", "audience", "trees", "tree",
];
/// Between an adult and somebody else.
pub(super) const LINKS: &[&str] = &[
    "and", "with", "plus", "another", "beside", "near", "to", "by", "behind", "on", "under", "holding", "or",
];
/// What takes an adult word back: "not adult", "nearly a woman", "barely 18".
#[rustfmt::skip]
pub(super) const NOT: &[&str] = &[
    "not", "non", "never", "isn", "isnt", "aren", "arent", "wasn", "wasnt", "nearly", "almost", "barely", "hardly",
    "becoming", "become", "becomes", "before", "pre", "until", "unlike", "half", "semi", "pseudo", "quasi",
];

/// A small number near one of these may be an age.
#[rustfmt::skip]
pub(super) const PERSON: &[&str] = &[
    "girl", "gurl", "grl", "gril", "boy", "boi", "woman", "women", "man", "men", "female", "male", "lady", "ladies",
    "guy", "gal", "lass", "lassie", "lad", "laddie", "babe", "chick", "cutie", "doll", "miss", "missy", "maiden",
    "she", "he", "her", "him", "his", "hers", "person", "people", "somebody", "someone", "model", "actress", "actor",
    "student", "idol", "dancer", "ballerina", "gymnast", "cheerleader", "princess", "maid", "sister", "brother",
    "wife", "bride", "blonde", "blond", "brunette", "redhead", "virgin", "beauty", "body", "nude", "naked",
    "topless", "petite", "tiny", "small", "little", "young", "youthful", "slim", "skinny", "slender", "thin", "flat",
    "breast", "chest", "panties", "underwear", "bikini", "lingerie", "bare", "f", "m", "asian", "japanese", "korean",
    "chinese", "russian", "latina", "european", "african", "innocent", "cute", "sexy", "femboy", "tomboy", "lady",
];
/// The same about ages themselves.
#[rustfmt::skip]
pub(super) const AGE: &[&str] = &[
    "age", "aged", "ages", "aging", "ageing", "old", "older", "year", "years", "yr", "yrs", "yo", "y", "birthday",
    "bday", "birth", "born", "turn", "turns", "turned", "turning", "grade", "grader", "form", "class", "just",
    "only", "looks", "look", "looking", "is", "be", "being", "was", "лet", "гoд", "let", "anos", "ans", "jahre",
    "anni", "lat", "not", "than", "under", "below", "sub", "u",
];

/// Plurals of adults: "3 people", "two mature women".
#[rustfmt::skip]
pub(super) const COUNTED_PEOPLE: &[&str] = &[
    "women", "men", "people", "persons", "adults", "ladies", "gentlemen", "guys", "models", "actors", "actresses",
    "dancers", "couples", "lovers", "friends", "partners", "wives", "husbands", "milfs", "blondes", "brunettes",
    "redheads", "females", "males", "characters", "subjects", "performers", "nudes", "individuals", "others",
    "strangers", "soldiers", "warriors", "witches", "vampires", "figures", "bodies",
];
/// Plurals of things.
#[rustfmt::skip]
pub(super) const COUNTED_THINGS: &[&str] = &[
    "candles", "roses", "flowers", "petals", "dogs", "cats", "horses", "birds", "lights", "lamps", "lanterns",
    "spotlights", "softboxes", "steps", "photos", "pictures", "images", "panels", "frames", "shots", "views",
    "angles", "poses", "chairs", "tables", "pillows", "windows", "doors", "rooms", "trees", "columns", "pillars",
    "mirrors", "glasses", "bottles", "books", "cars", "colors", "colours", "layers", "beads", "pearls", "rings",
    "earrings", "bracelets", "necklaces", "buttons", "straps", "stars", "clouds", "mountains", "balloons",
    "cushions", "paintings", "statues", "sides", "exposures", "stops", "megapixels", "fingers", "toes", "apples",
    "cigarettes", "tattoos", "strands", "lilies", "leaves", "waves", "stairs", "floors",
];
/// Parts of a body: a count only up to four.
#[rustfmt::skip]
pub(super) const COUNTED_PARTS: &[&str] = &[
    "hands", "arms", "legs", "eyes", "feet", "ears", "thighs", "knees", "breasts", "lips", "person", "piece",
    "pieces", "tone", "toned", "toning", "way", "of", "layer", "dimensional", "quarter", "quarters", "different",
];
/// Units that follow a number that is no age.
#[rustfmt::skip]
pub(super) const UNITS: &[&str] = &[
    "feet", "foot", "ft", "inch", "inches", "cm", "mm", "meter", "meters", "metre", "metres", "kg", "km", "k", "mp",
    "mpx", "megapixel", "px", "pixel", "pixels", "percent", "fps", "minute", "minutes", "hour", "hours", "second",
    "seconds", "lens", "pm", "am", "o", "point", "bit", "stop", "storey", "story", "gb", "iso", "lux", "watt",
];
/// Names that a number follows: settings and devices.
#[rustfmt::skip]
pub(super) const LABELS: &[&str] = &[
    "cfg", "scale", "steps", "step", "seed", "iso", "version", "ver", "v", "strength", "denoise", "denoising", "skip",
    "rank", "dim", "epoch", "chapter", "episode", "size", "iphone", "pixel", "sdxl", "sd", "flux", "score",
    "rating", "batch", "gamma", "kodak", "eos", "nikon", "canon", "studio", "number", "no", "crf",
];
/// Near an aperture.
#[rustfmt::skip]
pub(super) const CAMERA: &[&str] = &[
    "lens", "aperture", "camera", "iso", "mm", "35mm", "50mm", "85mm", "24mm", "28mm", "70mm", "100mm", "105mm",
    "135mm", "200mm", "shutter", "exposure", "bokeh", "dof", "focus",
];
/// A digit and these make a time of life: "fifteenth summer".
pub(super) const SEASONS: &[&str] = &[
    "year", "birthday", "bday", "grade", "grader", "form", "class", "summer", "spring", "winter", "autumn", "fall",
];
