"""Names of places in titles: countries, their adjectives, states, provinces, continents and large cities."""

from __future__ import annotations

import re

_COUNTRIES = (
    "Afghanistan Albania Algeria Andorra Angola Argentina Armenia Aruba Australia Austria Azerbaijan Bahamas Bahrain "
    "Bangladesh Barbados Belarus Belgium Belize Benin Bermuda Bhutan Bolivia Botswana Brazil Brunei Bulgaria Burundi "
    "Cambodia Cameroon Canada Chad Chile China Colombia Congo Croatia Cuba Cyprus Czechoslovakia Denmark Djibouti "
    "Dominica Ecuador Egypt England Eritrea Estonia Eswatini Ethiopia Fiji Finland France Gabon Gambia Georgia Germany "
    "Ghana Gibraltar Greece Greenland Grenada Guam Guatemala Guinea Guyana Haiti Honduras Hungary Iceland India "
    "Indonesia Iran Iraq Ireland Israel Italy Jamaica Japan Jordan Kazakhstan Kenya Kiribati Korea Kosovo Kuwait "
    "Kyrgyzstan Laos Latvia Lebanon Lesotho Liberia Libya Liechtenstein Lithuania Luxembourg Macau Macedonia "
    "Madagascar Malawi Malaysia Maldives Mali Malta Mauritania Mauritius Mexico Micronesia Moldova Monaco Mongolia "
    "Montenegro Morocco Mozambique Myanmar Namibia Nauru Nepal Netherlands Nicaragua Niger Nigeria Norway Oman "
    "Pakistan Palau Palestine Panama Paraguay Peru Philippines Poland Portugal Qatar Romania Russia Rwanda Samoa "
    "Scotland Senegal Serbia Seychelles Singapore Slovakia Slovenia Somalia Spain Sudan Suriname Sweden Switzerland "
    "Syria Taiwan Tajikistan Tanzania Thailand Togo Tonga Tunisia Turkey Turkmenistan Tuvalu Uganda Ukraine Uruguay "
    "Uzbekistan Vanuatu Venezuela Vietnam Wales Yemen Yugoslavia Zambia Zimbabwe"
).split()
_LONG_NAMES = (
    "United States|United Kingdom|Great Britain|Soviet Union|United Arab Emirates|Saudi Arabia|South Africa|New Zealand"
    "|South Korea|North Korea|Czech Republic|Costa Rica|El Salvador|Puerto Rico|Sri Lanka|Hong Kong|Ivory Coast"
    "|Sierra Leone|Burkina Faso|East Germany|West Germany|Northern Ireland|Dominican Republic|Papua New Guinea"
    "|Solomon Islands|Faroe Islands|Cayman Islands|Cape Verde|San Marino|East Timor|Trinidad and Tobago"
    "|Bosnia and Herzegovina|North Macedonia|Equatorial Guinea|Central African Republic|Antigua and Barbuda"
    "|Saint Lucia|New Caledonia|Isle of Man|Vatican City"
    "|North America|South America|Latin America|Central America|Western Europe|Eastern Europe|Middle East"
    "|New York City|New York|New Jersey|New Mexico|New Hampshire|North Carolina|South Carolina|North Dakota"
    "|South Dakota|West Virginia|Rhode Island|District of Columbia|Washington, D.C.|British Columbia|New Brunswick"
    "|Nova Scotia|Prince Edward Island|Newfoundland and Labrador|Northwest Territories|New South Wales|South Australia"
    "|Western Australia|Northern Territory|Los Angeles|San Francisco|San Diego|San Marino|Buenos Aires|Rio de Janeiro"
    "|São Paulo|Mexico City|Tel Aviv|Abu Dhabi|Las Vegas"
).split("|")
_ADJECTIVES = (
    "Afghan Albanian Algerian American Angolan Argentine Argentinian Armenian Asian Australian Austrian Azerbaijani "
    "Bahraini Bangladeshi Belarusian Belgian Bolivian Bosnian Brazilian British Bulgarian Cambodian Cameroonian "
    "Canadian Chilean Chinese Colombian Croatian Cuban Cypriot Czech Danish Dutch Ecuadorian Egyptian English Estonian "
    "Ethiopian European Fijian Filipino Finnish French Georgian German Ghanaian Greek Guatemalan Honduran Hungarian "
    "Icelandic Indian Indonesian Iranian Iraqi Irish Israeli Italian Jamaican Japanese Jordanian Kazakhstani Kenyan "
    "Korean Kuwaiti Latvian Lebanese Liberian Libyan Lithuanian Luxembourgish Macedonian Malaysian Maltese Mauritian "
    "Mexican Moldovan Mongolian Moroccan Namibian Nepalese Nicaraguan Nigerian Norwegian Oceanian Pakistani "
    "Palestinian Panamanian Paraguayan Peruvian Philippine Polish Portuguese Qatari Romanian Russian Salvadoran Samoan "
    "Saudi Scottish Serbian Singaporean Slovak Slovene Slovenian Spanish Sudanese Swedish Swiss Syrian Taiwanese "
    "Tanzanian Thai Tunisian Turkish Ugandan Ukrainian Uruguayan Venezuelan Vietnamese Welsh Yugoslav Yugoslavian "
    "Zambian Zimbabwean African"
).split()
_REGIONS = (
    "Africa America Antarctica Asia Europe Oceania Caribbean Scandinavia "
    "Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Hawaii Idaho Illinois Indiana "
    "Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi Missouri Montana "
    "Nebraska Nevada Ohio Oklahoma Oregon Pennsylvania Tennessee Texas Utah Vermont Virginia Washington Wisconsin "
    "Wyoming Alberta Manitoba Ontario Quebec Saskatchewan Yukon Queensland Tasmania Victoria Bavaria Catalonia "
    "Amsterdam Athens Atlanta Auckland Austin Bangkok Barcelona Beijing Berlin Birmingham Boston Brisbane Brussels "
    "Bucharest Budapest Buffalo Calgary Chicago Cincinnati Cleveland Copenhagen Dallas Delhi Denver Detroit Dubai "
    "Dublin Edinburgh Edmonton Glasgow Hamburg Helsinki Houston Istanbul Jakarta Johannesburg Kyoto Lagos Leeds "
    "Lisbon Liverpool London Luxembourg Madrid Manchester Manila Melbourne Miami Milan Milwaukee Minneapolis Montreal "
    "Moscow Mumbai Munich Nairobi Osaka Oslo Ottawa Paris Perth Philadelphia Pittsburgh Prague Rome Rotterdam "
    "Sacramento Seattle Seoul Shanghai Sheffield Stockholm Sydney Tokyo Toronto Vancouver Vienna Warsaw Winnipeg Zürich"
).split()

_CITY = r"[A-Z][\w.'’-]*(?: (?:[A-Z][\w.'’-]*|de|del|la|of|and|the))*"
_KNOWN = "|".join(
    sorted(map(re.escape, {*_COUNTRIES, *_LONG_NAMES, *_ADJECTIVES, *_REGIONS}), key=lambda n: (-len(n), n))
)
PLACE = re.compile(
    rf"(?<![\w-])(?:(?:{_CITY} County|County {_CITY})(?:, (?:{_KNOWN}))?"
    rf"|(?<= in )(?:the )?{_CITY}(?:, {_CITY})*$"
    rf"|(?:{_KNOWN})(?:, (?:{_KNOWN}))?)(?![\w-])"
)
"""A place or the adjective of a country in a title.

Known names count everywhere. A county, and any capitalised name after the last ``in`` of a title, count too.
"""
COUNTRY_NAMES = frozenset((*_COUNTRIES, *_LONG_NAMES[: _LONG_NAMES.index("North America")]))
"""Countries, former countries and territories."""
