"""Lists of common names: countries, states, nationalities, languages, months."""

from __future__ import annotations

COUNTRIES = frozenset(
    "Afghanistan|Albania|Algeria|Andorra|Angola|Argentina|Armenia|Australia|Austria|Azerbaijan|Bahamas|Bahrain|"
    "Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bermuda|Bhutan|Bolivia|Bosnia and Herzegovina|Botswana|Brazil|"
    "Brunei|Bulgaria|Burkina Faso|Burma|Burundi|Cambodia|Cameroon|Canada|Cape Verde|Chad|Chile|China|Colombia|Comoros|"
    "Congo|Costa Rica|Croatia|Cuba|Cyprus|Czech Republic|Czechoslovakia|Democratic Republic of the Congo|Denmark|"
    "Djibouti|Dominica|Dominican Republic|East Germany|East Timor|Ecuador|Egypt|El Salvador|England|Equatorial Guinea|"
    "Eritrea|Estonia|Ethiopia|Faroe Islands|Fiji|Finland|France|Gabon|Gambia|Georgia|Germany|Ghana|Greece|Greenland|"
    "Grenada|Guatemala|Guinea|Guinea-Bissau|Guyana|Haiti|Honduras|Hong Kong|Hungary|Iceland|India|Indonesia|Iran|Iraq|"
    "Ireland|Israel|Italy|Ivory Coast|Jamaica|Japan|Jordan|Kazakhstan|Kenya|Kosovo|Kuwait|Kyrgyzstan|Laos|Latvia|"
    "Lebanon|Lesotho|Liberia|Libya|Liechtenstein|Lithuania|Luxembourg|Macau|Macedonia|Madagascar|Malawi|Malaysia|"
    "Maldives|Mali|Malta|Mauritania|Mauritius|Mexico|Moldova|Monaco|Mongolia|Montenegro|Morocco|Mozambique|Myanmar|"
    "Namibia|Nepal|Netherlands|New Zealand|Nicaragua|Niger|Nigeria|North Korea|North Macedonia|Northern Ireland|Norway|"
    "Oman|Pakistan|Palestine|Panama|Papua New Guinea|Paraguay|Peru|Philippines|Poland|Portugal|Puerto Rico|Qatar|"
    "Republic of Ireland|Romania|Russia|Rwanda|Samoa|San Marino|Saudi Arabia|Scotland|Senegal|Serbia|Seychelles|"
    "Sierra Leone|Singapore|Slovakia|Slovenia|Somalia|South Africa|South Korea|South Sudan|Soviet Union|Spain|"
    "Sri Lanka|Sudan|Suriname|Swaziland|Sweden|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Togo|Tonga|"
    "Trinidad and Tobago|Tunisia|Turkey|Turkmenistan|Uganda|Ukraine|United Arab Emirates|United Kingdom|United States|"
    "Uruguay|Uzbekistan|Vanuatu|Venezuela|Vietnam|Wales|West Germany|Yemen|Yugoslavia|Zambia|Zimbabwe".split(
        "|"
    )
)
STATES = frozenset(
    # of the United States, and provinces of Canada, which are written after a town in the same way
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|"
    "Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|"
    "Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|"
    "Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|"
    "West Virginia|Wisconsin|Wyoming|Puerto Rico|D.C.|Alberta|British Columbia|Manitoba|New Brunswick|"
    "Newfoundland and Labrador|Nova Scotia|Ontario|Prince Edward Island|Quebec|Saskatchewan|Yukon".split("|")
)
OTHER_STATES = frozenset(
    # of India, Australia, Germany and Brazil
    "Andhra Pradesh|Arunachal Pradesh|Assam|Bihar|Chhattisgarh|Delhi|Goa|Gujarat|Haryana|Himachal Pradesh|Jharkhand|"
    "Karnataka|Kerala|Madhya Pradesh|Maharashtra|Manipur|Meghalaya|Mizoram|Nagaland|Odisha|Orissa|Puducherry|Punjab|"
    "Rajasthan|Sikkim|Tamil Nadu|Telangana|Tripura|Uttar Pradesh|Uttarakhand|West Bengal|Jammu and Kashmir|"
    "New South Wales|Northern Territory|Queensland|South Australia|Tasmania|Victoria|Western Australia|"
    "Australian Capital Territory|Baden-Württemberg|Bavaria|Berlin|Brandenburg|Bremen|Hamburg|Hesse|Lower Saxony|"
    "North Rhine-Westphalia|Rhineland-Palatinate|Saarland|Saxony|Saxony-Anhalt|Schleswig-Holstein|Thuringia|"
    "Bahia|Ceará|Minas Gerais|Paraná|Pernambuco|Rio de Janeiro|Rio Grande do Sul|Santa Catarina|São Paulo".split(
        "|"
    )
)
NATIONALITIES = frozenset(
    "Afghan|African|African-American|Albanian|Algerian|American|Anglo-American|Argentine|Argentinian|Armenian|"
    "Australian|Austrian|Azerbaijani|Bangladeshi|Barbadian|Basque|Belarusian|Belgian|Bengali|Bolivian|Bosnian|"
    "Brazilian|British|Bulgarian|Burmese|Cambodian|Cameroonian|Canadian|Catalan|Chilean|Chinese|Colombian|Congolese|"
    "Croatian|Cuban|Cypriot|Czech|Danish|Dominican|Dutch|Ecuadorian|Egyptian|English|Estonian|Ethiopian|European|"
    "Filipino|Finnish|French|Georgian|German|Ghanaian|Greek|Guatemalan|Haitian|Hungarian|Icelandic|Indian|Indonesian|"
    "Iranian|Iraqi|Irish|Israeli|Italian|Ivorian|Jamaican|Japanese|Jewish|Jordanian|Kazakh|Kazakhstani|Kenyan|Korean|"
    "Kosovan|Kuwaiti|Kyrgyz|Latvian|Lebanese|Liberian|Libyan|Lithuanian|Luxembourgish|Macedonian|Malaysian|Malian|"
    "Maltese|Mexican|Moldovan|Mongolian|Montenegrin|Moroccan|Namibian|Nepalese|Nepali|New Zealand|Nicaraguan|Nigerian|"
    "Northern Irish|Norwegian|Pakistani|Palestinian|Panamanian|Paraguayan|Peruvian|Philippine|Polish|Portuguese|"
    "Puerto Rican|Romanian|Russian|Salvadoran|Saudi|Scottish|Senegalese|Serbian|Singaporean|Slovak|Slovene|Slovenian|"
    "South African|South Korean|Soviet|Spanish|Sri Lankan|Sudanese|Swedish|Swiss|Syrian|Taiwanese|Tamil|Thai|Tunisian|"
    "Turkish|Ugandan|Ukrainian|Uruguayan|Uzbek|Venezuelan|Vietnamese|Welsh|Yugoslav|Zambian|Zimbabwean".split(
        "|"
    )
)
LANGUAGES = (
    "Afrikaans|Albanian|Arabic|Armenian|Assamese|Basque|Bengali|Bulgarian|Cantonese|Catalan|Chinese|Croatian|Czech|"
    "Danish|Dutch|English|Estonian|Filipino|Finnish|French|Georgian|German|Greek|Gujarati|Hebrew|Hindi|Hungarian|"
    "Icelandic|Indonesian|Irish|Italian|Japanese|Kannada|Korean|Latin|Malay|Malayalam|Mandarin|Marathi|Norwegian|"
    "Odia|Oriya|Persian|Polish|Portuguese|Punjabi|Romanian|Russian|Serbian|Slovak|Slovene|Spanish|Swedish|Tagalog|"
    "Tamil|Telugu|Thai|Turkish|Ukrainian|Urdu|Vietnamese|Welsh"
).split("|")
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
