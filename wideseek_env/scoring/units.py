"""Units of measure, time, angle and money as people write them after a number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit of measure.

    Values of two units with the same `dimension` can be compared after both are multiplied by their `factor` (and
    `offset` is added). `system` is the system of units: values convert exactly within a system, and people round them
    between two. A `factor` of 0 means that values cannot be converted (two currencies).

    A dimension that begins with another one is a special case of it: ``$us`` of ``$``.
    """

    dimension: str
    factor: float = 1.0
    system: str = ""
    offset: float = 0.0


NO_UNIT = Unit("")
PERCENT = Unit("share", 0.01)
PERMILLE = Unit("share", 0.001)
SECOND = Unit("time", 1.0)
MINUTE = Unit("time", 60.0)
HOUR = Unit("time", 3600.0)
INCH = Unit("length", 0.0254, "imperial")
FOOT = Unit("length", 0.3048, "imperial")
DEGREE = Unit("angle", 1.0)
ARC_MINUTE = Unit("angle", 1 / 60)
ARC_SECOND = Unit("angle", 1 / 3600)
METRE = Unit("length", 1.0, "metric")

SMALLER = {HOUR: MINUTE, MINUTE: SECOND, FOOT: INCH, DEGREE: ARC_MINUTE, ARC_MINUTE: ARC_SECOND}
"""The unit of a number without a unit that directly follows a number with a unit: ``1h20``, ``6 ft 2``."""

_M, _I = "metric", "imperial"
_PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

# One row per unit: its names, separated by commas. Letters must have this case only where the lower case has another
# meaning (MW and mW).
_ROWS: list[tuple[str, Unit]] = [
    ("%,percent,per cent,pct,percentage points,个百分点,百分点", PERCENT),
    ("‰,permille,per mille", PERMILLE),
    ("m,metre,metres,meter,meters,米,公尺", METRE),
    ("km,kms,kilometre,kilometres,kilometer,kilometers,公里,千米", Unit("length", 1e3, _M)),
    ("cm,cms,centimetre,centimetres,centimeter,centimeters,厘米,公分", Unit("length", 1e-2, _M)),
    ("mm,millimetre,millimetres,millimeter,millimeters,毫米", Unit("length", 1e-3, _M)),
    ("µm,μm,micrometre,micrometres,micrometer,micrometers,微米", Unit("length", 1e-6, _M)),
    ("nm,nanometre,nanometres,nanometer,nanometers,纳米", Unit("length", 1e-9, _M)),
    ("dm,decimetre,decimetres,分米", Unit("length", 0.1, _M)),
    ("in,inch,inches,\",'',英寸", INCH),
    ("ft,foot,feet,',英尺", FOOT),
    ("yd,yds,yard,yards,码", Unit("length", 0.9144, _I)),
    ("mi,mile,miles,英里", Unit("length", 1609.344, _I)),
    ("nmi,nautical mile,nautical miles,海里", Unit("length", 1852.0, "nautical")),
    ("ly,light years,light-years,光年", Unit("length", 9.4607e15, "sky")),
    ("mg,milligram,milligrams,毫克", Unit("mass", 1e-6, _M)),
    ("g,gram,grams,gramme,grammes,克", Unit("mass", 1e-3, _M)),
    ("kg,kgs,kilo,kilos,kilogram,kilograms,公斤,千克", Unit("mass", 1.0, _M)),
    ("t,tonne,tonnes,ton,tons,吨", Unit("mass", 1e3, _M)),
    ("lb,lbs,磅", Unit("mass", 0.45359237, _I)),
    ("oz,ounce,ounces,盎司", Unit("mass", 0.45359237 / 16, _I)),
    ("st,stone,stones", Unit("mass", 0.45359237 * 14, _I)),
    ("s,sec,secs,second,seconds,秒,秒钟", SECOND),
    ("ms,msec,millisecond,milliseconds,毫秒", Unit("time", 1e-3)),
    ("min,mins,minute,minutes,分钟,分", MINUTE),
    ("h,hr,hrs,hour,hours,小时,个小时,钟头", HOUR),
    ("d,day,days,天", Unit("time", 86400.0)),
    ("week,weeks,wk,wks,周,个星期,星期", Unit("time", 604800.0)),
    ("month,months,mo,mos,个月", Unit("month", 1.0)),
    ("year,years,yr,yrs,y,年", Unit("month", 12.0)),
    ("°,deg,degree,degrees,度", DEGREE),
    ("°c,° c,℃,摄氏度", Unit("temperature", 1.0, _M)),
    ("°f,° f,℉,华氏度", Unit("temperature", 5 / 9, _I, -160 / 9)),
    ("hp,bhp,horsepower,马力", Unit("power", 745.7, _I)),
    ("sqmi,sq mi,square mile,square miles,mi2,平方英里", Unit("area", 1609.344**2, _I)),
    ("sqft,sq ft,square foot,square feet,ft2,平方英尺", Unit("area", 0.3048**2, _I)),
    ("acre,acres,英亩", Unit("area", 4046.8564224, _I)),
    ("ha,hectare,hectares,公顷", Unit("area", 1e4, _M)),
    ("sqkm,sq km,square kilometre,square kilometres,square kilometer,square kilometers,km2,平方公里,平方千米",
     Unit("area", 1e6, _M)),
    ("sqm,sq m,square metre,square metres,square meter,square meters,m2,平方米,平米", Unit("area", 1.0, _M)),
    ("cm2,sq cm,平方厘米", Unit("area", 1e-4, _M)),
    ("mm2,平方毫米", Unit("area", 1e-6, _M)),
    ("l,L,litre,litres,liter,liters,升", Unit("volume", 1e-3, _M)),
    ("ml,millilitre,millilitres,milliliter,milliliters,cc,毫升", Unit("volume", 1e-6, _M)),
    ("cl", Unit("volume", 1e-5, _M)),
    ("m3,cubic metre,cubic metres,cubic meter,cubic meters,立方米", Unit("volume", 1.0, _M)),
    ("cm3,立方厘米", Unit("volume", 1e-6, _M)),
    ("km3,立方公里,立方千米", Unit("volume", 1e9, _M)),
    ("ft3,cu ft,cubic foot,cubic feet", Unit("volume", 0.3048**3, _I)),
    ("m/s,mps,米/秒", Unit("speed", 1.0, _M)),
    ("km/h,kmh,kph,kmph,km/hr,km/hour,公里/小时,千米/小时,公里每小时", Unit("speed", 1 / 3.6, _M)),
    ("mph,mi/h,miles/hour", Unit("speed", 0.44704, _I)),
    ("kn,kt,kts,knot,knots,节", Unit("speed", 1852 / 3600, "nautical")),
    ("us$,usd,us dollars,美元", Unit("$us", 0)),
    ("hk$,hkd,港元,港币", Unit("$hk", 0)),
    ("nt$,twd,新台币", Unit("$nt", 0)),
    ("a$,au$,aud,澳元", Unit("$a", 0)),
    ("c$,ca$,cad,加元", Unit("$c", 0)),
    ("nz$,nzd", Unit("$nz", 0)),
    ("s$,sgd,新加坡元", Unit("$s", 0)),
    ("r$,brl,reais", Unit("$r", 0)),
    ("$,dollar,dollars", Unit("$", 0)),
    ("€,eur,euro,euros,欧元", Unit("€", 0)),
    ("£,gbp,英镑", Unit("£", 0)),
    ("¥", Unit("¥", 0)),
    ("rmb,cny,cn¥,yuan,人民币,元人民币,元,块", Unit("¥cn", 0)),
    ("jpy,jp¥,yen,日元,円", Unit("¥jp", 0)),
    ("₹,inr,rs,rs.,rupees,卢比", Unit("₹", 0)),
    ("₩,krw,won,韩元", Unit("₩", 0)),
    ("chf,francs,法郎", Unit("chf", 0)),
    ("rub,₽,roubles,rubles,卢布", Unit("₽", 0)),
]  # fmt: skip


def _table() -> Iterator[tuple[str, Unit]]:
    for names, unit in _ROWS:
        for name in names.split(","):
            yield name, unit
    for symbol, words, dimension in (
        ("W", "watt,watts,瓦,瓦特", "power"),
        ("Wh", "", "energy"),
        ("Hz", "hertz,赫兹", "frequency"),
        ("B", "byte,bytes", "data"),
        ("V", "volt,volts,伏", "voltage"),
        ("A", "ampere,amperes,安", "current"),
        ("J", "joule,joules,焦", "joule"),
        ("Pa", "pascal,pascals,帕", "pressure"),
    ):
        for prefix, factor in _PREFIXES.items():
            unit = Unit(dimension, factor, _M)
            yield prefix + symbol, unit
            if len(prefix + symbol) > 1:
                yield (prefix + symbol).lower(), unit
        for word in filter(None, words.split(",")):
            yield word, Unit(dimension, 1.0, _M)
            for prefix, factor in (("千", 1e3), ("兆", 1e6), ("kilo", 1e3), ("mega", 1e6), ("giga", 1e9)):
                if word.isascii() == prefix.isascii():
                    yield prefix + word, Unit(dimension, factor, _M)
    for prefix in ("m", "µ", "μ"):
        yield f"{prefix}W", Unit("power", 1e-3 if prefix == "m" else 1e-6, _M)
        yield f"{prefix}V", Unit("voltage", 1e-3 if prefix == "m" else 1e-6, _M)
        yield f"{prefix}A", Unit("current", 1e-3 if prefix == "m" else 1e-6, _M)


UNITS = dict(_table())
_CHINESE = {name: unit for name, unit in UNITS.items() if name[0] >= "\u2e80"}
_LONGEST = max(map(len, _CHINESE))
_WORD = re.compile(
    r"(?:(?:square|sq|cubic|cu|nautical|light|us|per|percentage)[. -]{1,2})?+"
    r"(?:[$€£¥₹₩₽%‰]|[^\W\d_]++[$¥]?|°(?: ?[CFcf](?![^\W\d_]))?|'{1,2}|\")"
    r"(?:(?:/| per )[^\W\d_]++)?+(?:[23](?!\w))?",
    re.IGNORECASE,
)
_SPACED = {" per ": "/", ". ": " "}


def unit_at(text: str, at: int) -> tuple[Unit, str, int] | None:
    """The unit that `text` has at position `at`, with its name and the position after it. None when there is none.

    A word that is a unit with something attached (``km/l``, ``m4``) is another unit, which this function does not know.
    """
    if at >= len(text):
        return None
    if text[at] >= "\u2e80":
        for end in range(min(len(text), at + _LONGEST), at, -1):
            if (unit := _CHINESE.get(text[at:end])) is not None:
                return unit, text[at:end], end
        return None
    if (found := _WORD.match(text, at)) is None:
        return None
    name = found[0]
    end = found.end()
    for long, short in _SPACED.items():
        name = name.replace(long, short)
    cjk = next((place for place, char in enumerate(name) if char >= "\u2e80"), None)
    if cjk is not None:
        name, end = name[:cjk], at + cjk
    # One capital letter is the name of something else: 3D, 5S.
    unit = UNITS.get(name) or (UNITS.get(name.lower()) if len(name) > 1 else None)
    return None if unit is None else (unit, name, end)
