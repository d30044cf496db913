"""Made-up people for rehearsals: common names of twelve scripts in invented combinations, and towns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A town with its real postcode and a street pattern; `offset` is its distance from UTC in hours."""

    country: str
    locality: str
    postcode: str
    street: str
    offset: float


@dataclass(frozen=True)
class People:
    """Signers of one language: `pattern` joins their names, `weight` is their share of a sample."""

    script: str
    weight: float
    pattern: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    countries: tuple[str, ...]


_GIVEN_FIRST = "{given} {family}"
_FAMILY_FIRST = "{family} {given}"
_UNSPACED = "{family}{given}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PEOPLE = {
    "en": People(
        "Latn",
        20,
        _GIVEN_FIRST,
        _words("Alice Daniel Grace Hannah Isaac Joan Liam Maeve Nora Oliver Priya Samuel"),
        _words("Barker Chaudhry Collins Finch Hughes Lawson Morgan O’Neill Okafor Pryce Reid Walsh"),
        ("GB", "US", "CA", "AU", "IE"),
    ),
    "de": People(
        "Latn",
        14,
        _GIVEN_FIRST,
        _words("Anna Björn Clara Dieter Elif Greta Jörg Käthe Lukas Miriam Sören Ursula"),
        _words("Bühler Favre Groß Hürlimann Jäger Köhler Lehmann Müller Sträßle Vogt Weiß Yıldız"),
        ("CH", "DE", "AT"),
    ),
    "fr": People(
        "Latn",
        10,
        _GIVEN_FIRST,
        _words("Aimée Benoît Chloé Étienne Françoise Gaël Hélène Léo Maëlle Noël Réjane Zoé"),
        _words("Béranger Châtelain D’Aubigné Diallo Fournier Gagné Lefèvre Nguyên Prévost Rey Savary Tremblay"),
        ("FR", "CH", "CA"),
    ),
    "es": People(
        "Latn",
        8,
        _GIVEN_FIRST,
        _words("Álvaro Begoña Carmen Íñigo Jesús Lucía Martín Noelia Óscar Pilar Raúl Ximena"),
        _words("Álvarez Castaño Domínguez Ibáñez López Muñoz Núñez Peña Quiñones Ríos Sáenz Zúñiga"),
        ("ES", "MX"),
    ),
    "vi": People(
        "Latn",
        4,
        _FAMILY_FIRST,
        ("Thị Hương", "Văn Đức", "Minh Châu", "Quốc Bảo", "Ngọc Ánh", "Thanh Tuyền", "Hữu Phước", "Thuỳ Dương"),
        _words("Nguyễn Trần Lê Phạm Huỳnh Võ Đặng Bùi"),
        ("AU", "US", "FR"),
    ),
    "ru": People(
        "Cyrl",
        4,
        _GIVEN_FIRST,
        _words("Алёна Борис Вера Дмитрий Ирина Кирилл Людмила Семён Юлия Ярослав"),
        _words("Белоус Воронец Громыко Ежик Жданюк Коваль Мельник Шевчук Щербак Юрченко"),
        ("DE", "KZ"),
    ),
    "el": People(
        "Grek",
        3,
        _GIVEN_FIRST,
        _words("Ανδρέας Βασιλική Γιώργος Δήμητρα Ελένη Ηλίας Θάλεια Ίρις Μυρτώ Στέφανος"),
        _words("Αγγελής Βλάχος Δούκας Ζέρβας Καλλίας Λάμπρου Μαυρής Ράπτης Φωτίου Χρήστου"),
        ("GR",),
    ),
    "ar": People(
        "Arab",
        5,
        _GIVEN_FIRST,
        _words("أمل باسم جميلة خالد ريم سامي عائشة فاطمة كريم ليلى نور يوسف"),
        _words("البنا التونسي الحداد الخياط الصالح العلمي القاسم المصري النجار حمدان"),
        ("FR", "JO", "DE"),
    ),
    "ug": People(
        "Arab",
        4,
        _GIVEN_FIRST,
        _words("ئايگۈل ئەركىن باھار تۇرسۇن دىلنۇر رۇقىيە گۈلنار مەريەم ياسىن ئۆمەر"),
        _words("ئابدۇللا ئېلى ئىمىن ئوسمان تۇردى ساۋۇت قادىر كېرىم ھاشىم يۈسۈپ"),
        ("DE", "NO", "AU", "CA"),
    ),
    "he": People(
        "Hebr",
        3,
        _GIVEN_FIRST,
        _words("אביגיל בועז גילה דניאל הדס יעל מאיר נעמי עמית שירה"),
        _words("אדלר ברק גולן דרור כרמי לביא נחמני פלד רוזן שחר"),
        ("IL",),
    ),
    "hi": People(
        "Deva",
        4,
        _GIVEN_FIRST,
        _words("अनिता आरव ऋषि कविता गौरी दीपक प्रिया मीनाक्षी राहुल श्रुति"),
        _words("अग्रवाल कुलकर्णी गुप्ता चतुर्वेदी त्रिपाठी द्विवेदी मिश्रा वर्मा शर्मा सिंह"),
        ("IN",),
    ),
    "zh-Hant": People(
        "Hant",
        8,
        _UNSPACED,
        _words("小明 怡君 志豪 雅婷 俊傑 淑芬 家瑜 宗翰 詠晴 嘉豪"),
        _words("陳 林 黃 張 李 王 吳 劉 蔡 楊 鄭 歐陽"),
        ("TW", "HK"),
    ),
    "zh-Hans": People(
        "Hans",
        4,
        _UNSPACED,
        _words("伟 芳 静怡 建国 丽华 思远 子涵 晓东 梦洁 文轩"),
        _words("陈 刘 张 杨 赵 黄 周 吴 孙 马 诸葛"),
        ("SG", "AU"),
    ),
    "ja": People(
        "Jpan",
        4,
        _UNSPACED,
        _words("美咲 翔太 さくら 陽子 健一 あかり 直樹 ひろし 千尋 アンナ"),
        _words("佐々木 田中 髙橋 渡邊 鈴木 小林 斎藤 山﨑 森 中村"),
        ("JP",),
    ),
    "ko": People(
        "Kore",
        3,
        _UNSPACED,
        _words("민준 서연 지훈 하은 도윤 수빈 예진 현우 가람 슬기"),
        _words("김 이 박 최 정 강 조 윤 장 남궁"),
        ("KR",),
    ),
    "th": People(
        "Thai",
        2,
        _GIVEN_FIRST,
        _words("กานดา ชัยวัฒน์ ธิดารัตน์ นพดล ปิยะ พิมพ์ใจ ภูมิ รัตนา ศิริพร อนุชา"),
        _words("แก้วใส จันทร์เพ็ญ ทองดี บุญเรือง ประเสริฐ มีสุข วงศ์สุวรรณ ศรีสุข สายทอง อุดมทรัพย์"),
        ("TH",),
    ),
}

_TOWNS = (
    Place("GB", "Leeds", "LS1 4AP", "{n} Station Road", 1),
    Place("GB", "Cardiff", "CF10 1BH", "Flat {n}, 9 Harbour Row", 1),
    Place("US", "Springfield, IL", "62701", "{n} Maple Street", -5),
    Place("US", "Burlington, VT", "05401", "{n} Lake Avenue, Apt 2", -4),
    Place("CA", "Halifax, NS", "B3H 1A1", "{n} Spruce Lane", -3),
    Place("AU", "Hobart, TAS", "7000", "{n} Wattle Street", 10),
    Place("IE", "Galway", "H91 E2K3", "{n} Quay Lane", 1),
    Place("CH", "Zürich", "8004", "Gartenstrasse {n}", 2),
    Place("CH", "Fribourg", "1700", "Chemin du Moulin {n}", 2),
    Place("DE", "Göttingen", "37073", "Lindenweg {n}", 2),
    Place("DE", "München", "80331", "Mühlgasse {n}", 2),
    Place("AT", "Graz", "8010", "Brunnengasse {n}", 2),
    Place("FR", "Besançon", "25000", "{n}, rue de la Fontaine", 2),
    Place("ES", "León", "24001", "Calle del Olmo, {n}", 2),
    Place("MX", "Mérida", "97000", "Calle {n} nº 12", -6),
    Place("KZ", "Алматы", "050000", "ул. Садовая, {n}", 5),
    Place("GR", "Πάτρα", "262 21", "Οδός Ελιάς {n}", 3),
    Place("JO", "عمّان", "11118", "شارع الزيتون {n}", 3),
    Place("NO", "Bergen", "5003", "Bjørkeveien {n}", 2),
    Place("IL", "חיפה", "3303101", "רחוב הברוש {n}", 3),
    Place("IN", "जयपुर", "302001", "{n}, नीम मार्ग", 5.5),
    Place("TW", "臺中市", "400", "中區綠川路{n}號", 8),
    Place("HK", "香港", "", "九龍榕樹街{n}號", 8),
    Place("SG", "Singapore", "069543", "Blk {n} Banyan Walk #03-11", 8),
    Place("JP", "札幌市", "060-0001", "北区若葉町{n}番地", 9),
    Place("KR", "전주시", "54999", "은행나무길 {n}", 9),
    Place("TH", "เชียงใหม่", "50200", "{n} ถนนดอกไม้", 7),
)
PLACES = {place.country: tuple(other for other in _TOWNS if other.country == place.country) for place in _TOWNS}
