"""Places on the map: which regions a simulated network has, how far apart, and how many people.

Codes, names, coordinates (of the capital or seat, to a tenth of a degree) and the census of 2020 in
units of ten thousand are facts. A prefecture without a row of its own is one of so many of its
province, and lies somewhere around the capital.
"""

import math
from dataclasses import dataclass
from typing import Final

from simulator.asked import AskedError

_EARTH_KM: Final = 6_371.0


@dataclass(frozen=True, slots=True)
class Place:
    """A region. ``people`` counts in units of ten thousand."""

    code: str
    name: str
    name_en: str
    latitude: float
    longitude: float
    people: int

    def kilometres_to(self, other: "Place") -> float:
        """Return the distance along the earth's surface."""
        one, two = math.radians(self.latitude), math.radians(other.latitude)
        across = math.radians(other.longitude - self.longitude) / 2
        chord = math.sin((two - one) / 2) ** 2
        chord += math.cos(one) * math.cos(two) * math.sin(across) ** 2
        return 2 * _EARTH_KM * math.asin(math.sqrt(chord))


_NATION: Final = """
110000 北京 Beijing 39.9 116.4 2189
120000 天津 Tianjin 39.1 117.2 1387
130000 河北 Hebei 38.0 114.5 7461
140000 山西 Shanxi 37.9 112.5 3492
150000 内蒙古 Inner-Mongolia 40.8 111.7 2405
210000 辽宁 Liaoning 41.8 123.4 4259
220000 吉林 Jilin 43.9 125.3 2407
230000 黑龙江 Heilongjiang 45.8 126.6 3185
310000 上海 Shanghai 31.2 121.5 2487
320000 江苏 Jiangsu 32.1 118.8 8475
330000 浙江 Zhejiang 30.3 120.2 6457
340000 安徽 Anhui 31.8 117.2 6103
350000 福建 Fujian 26.1 119.3 4154
360000 江西 Jiangxi 28.7 115.9 4519
370000 山东 Shandong 36.7 117.0 10153
410000 河南 Henan 34.8 113.7 9937
420000 湖北 Hubei 30.6 114.3 5775
430000 湖南 Hunan 28.2 112.9 6644
440000 广东 Guangdong 23.1 113.3 12601
450000 广西 Guangxi 22.8 108.4 5013
460000 海南 Hainan 20.0 110.3 1008
500000 重庆 Chongqing 29.6 106.5 3205
510000 四川 Sichuan 30.7 104.1 8367
520000 贵州 Guizhou 26.6 106.7 3856
530000 云南 Yunnan 25.0 102.7 4721
540000 西藏 Tibet 29.7 91.1 365
610000 陕西 Shaanxi 34.3 108.9 3953
620000 甘肃 Gansu 36.1 103.8 2502
630000 青海 Qinghai 36.6 101.8 592
640000 宁夏 Ningxia 38.5 106.2 720
650000 新疆 Xinjiang 43.8 87.6 2237
660000 兵团 The-Corps 44.3 86.0 348
"""
_GUANGDONG: Final = """
440100 广州 Guangzhou 23.1 113.3 1868
440200 韶关 Shaoguan 24.8 113.6 286
440300 深圳 Shenzhen 22.5 114.1 1756
440400 珠海 Zhuhai 22.3 113.6 244
440500 汕头 Shantou 23.4 116.7 550
440600 佛山 Foshan 23.0 113.1 950
440700 江门 Jiangmen 22.6 113.1 480
440800 湛江 Zhanjiang 21.3 110.4 698
440900 茂名 Maoming 21.7 110.9 617
441200 肇庆 Zhaoqing 23.1 112.5 411
441300 惠州 Huizhou 23.1 114.4 604
441400 梅州 Meizhou 24.3 116.1 387
441500 汕尾 Shanwei 22.8 115.4 267
441600 河源 Heyuan 23.7 114.7 284
441700 阳江 Yangjiang 21.9 112.0 260
441800 清远 Qingyuan 23.7 113.1 397
441900 东莞 Dongguan 23.0 113.8 1047
442000 中山 Zhongshan 22.5 113.4 442
445100 潮州 Chaozhou 23.7 116.6 257
445200 揭阳 Jieyang 23.5 116.4 558
445300 云浮 Yunfu 22.9 112.0 238
"""
_SHANWEI_FIRST: Final = (
    ("441500", "440100", "440300", "441900", "441300"),  # 广深莞惠 in the second stage
    ("442000", "440400", "441200", "440700", "440600"),  # 中珠肇江佛 in the third
)
_GUIZHOU: Final = """
520000 贵州省 Guizhou 26.6 106.7 40
520100 贵阳 Guiyang 26.6 106.6 599
520200 六盘水 Liupanshui 26.6 104.8 303
520300 遵义 Zunyi 27.7 106.9 661
520400 安顺 Anshun 26.3 105.9 247
520500 毕节 Bijie 27.3 105.3 690
520600 铜仁 Tongren 27.7 109.2 330
522300 黔西南 Qianxinan 25.1 104.9 302
522600 黔东南 Qiandongnan 26.6 108.0 376
522700 黔南 Qiannan 26.3 107.5 349
"""
_XINING: Final = """
630000 青海省 Qinghai 36.6 101.8 10
630100 西宁市 Xining 36.6 101.8 20
630103 城中区 Chengzhong 36.6 101.8 33
630102 城东区 Chengdong 36.6 101.8 46
630104 城西区 Chengxi 36.6 101.8 33
630105 城北区 Chengbei 36.7 101.8 42
"""
_ZAOZHUANG: Final = """
370000 山东省 Shandong 36.7 117.0 10
370400 枣庄市 Zaozhuang 34.8 117.3 20
370402 市中区 Shizhong 34.9 117.6 58
370403 薛城区 Xuecheng 34.8 117.3 53
370404 峄城区 Yicheng 34.8 117.6 39
370405 台儿庄区 Taierzhuang 34.6 117.7 31
370406 山亭区 Shanting 35.1 117.5 48
370481 滕州市 Tengzhou 35.1 117.2 157
320300 徐州市 Xuzhou 34.3 117.2 908
"""
_PREFECTURES: Final = """
13 11 14 11 15 12 21 14 22 9 23 13 32 13 33 11 34 16 35 9 36 11 37 16 41 17 42 13 43 14 44 21
45 14 46 4 51 21 52 9 53 16 54 7 61 10 62 14 63 8 64 5 65 14
"""
"""Province and its number of prefectures: 333 in all."""

_SOUTHWEST: Final = ("500000", "510000", "520000", "530000", "540000", "450000", "460000")


def _rows(text: str) -> tuple[Place, ...]:
    places = []
    for line in text.strip().splitlines():
        code, name, name_en, latitude, longitude, people = line.split()
        places.append(
            Place(
                code,
                name,
                name_en.replace("-", " "),
                float(latitude),
                float(longitude),
                int(people),
            )
        )
    return tuple(places)


_BY_CODE: Final = {place.code: place for place in _rows(_NATION)}


def _southwest() -> tuple[Place, ...]:
    return tuple(_BY_CODE[code] for code in _SOUTHWEST)


def _guangdong() -> tuple[Place, ...]:
    """Return the 21 cities, those first that join first."""
    first = [code for stage in _SHANWEI_FIRST for code in stage]
    places = {place.code: place for place in _rows(_GUANGDONG)}
    return tuple(places[code] for code in (*first, *(code for code in places if code not in first)))


def _prefectures() -> tuple[Place, ...]:
    """Return 333 prefectures, round their capitals, with an equal share of the people each."""
    numbers = [int(word) for word in _PREFECTURES.split()]
    places = []
    for province, count in zip(numbers[::2], numbers[1::2], strict=True):
        capital = _BY_CODE[f"{province}0000"]
        for number in range(1, count + 1):
            angle = 2 * math.pi * number / count
            places.append(
                Place(
                    f"{province}{number:02}00",
                    f"{capital.name}{number}",
                    f"{capital.name_en} {number}",
                    capital.latitude + 1.5 * math.sin(angle),
                    capital.longitude + 1.5 * math.cos(angle),
                    capital.people // count,
                )
            )
    return tuple(places)


MAPS: Final = {
    "southwest": _southwest,
    "nation": lambda: _rows(_NATION),
    "guangdong": _guangdong,
    "guizhou": lambda: _rows(_GUIZHOU),
    "xining": lambda: _rows(_XINING),
    "zaozhuang": lambda: _rows(_ZAOZHUANG),
    "prefectures": _prefectures,
}


def places_of(name: str, count: int = 0) -> tuple[Place, ...]:
    """Return the first ``count`` places of a map; all of them where it is 0.

    Raises:
        AskedError: There is no such map, or it has fewer places.
    """
    if name not in MAPS:
        raise AskedError("bad-plan", f"no such map: {name}; there are {', '.join(MAPS)}")
    places = MAPS[name]()
    if not 0 <= count <= len(places):
        raise AskedError("bad-plan", f"the map {name} has {len(places)} places, not {count}")
    return places[:count] if count else places
