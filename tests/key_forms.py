"""The ways in which a service may write a key that it got."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

KEY = 'sk-Ab/9x+Q7"zLm&2=uV'

FORMS = {
    "bare": KEY,
    "bearer": f"Bearer {KEY}",
    "lower case": KEY.lower(),
    "upper case": KEY.upper(),
    "json": json.dumps(KEY),
    "json with escaped slashes": json.dumps(KEY).replace("/", "\\/"),
    "json in json in json": json.dumps(json.dumps(json.dumps(KEY))),
    "unicode escapes": "".join(f"\\u{ord(sign):04x}" for sign in KEY),
    "unicode escapes in capitals": "".join(f"\\u{ord(sign):04X}" for sign in KEY),
    "unicode escapes in braces": "".join(f"\\u{{{ord(sign):x}}}" for sign in KEY),
    "byte escapes": "".join(f"\\x{ord(sign):02x}" for sign in KEY),
    "percent": quote(KEY, safe=""),
    "percent in small letters": "".join(f"%{ord(sign):02x}" for sign in KEY),
    "percent twice": quote(quote(KEY, safe=""), safe=""),
    "html": html.escape(KEY),
    "html twice": html.escape(html.escape(KEY)),
    "html numbers": "".join(f"&#{ord(sign)};" for sign in KEY),
    "html hexadecimal": "".join(f"&#x{ord(sign):04X};" for sign in KEY),
    "mixed": f"%73k{html.escape(KEY[2:6])}\\u{ord(KEY[6]):04x}{KEY[7:]}",
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "base64 after a user": base64.b64encode(f"me:{KEY}".encode()).decode(),
    "base64 inside": base64.b64encode(f"x{KEY} is wrong".encode()).decode(),
    "hexadecimal": KEY.encode().hex(),
}


def traces(shown: str) -> list[str]:
    """What of the key is still in a text, by the middle of each form. The ends of base64 belong to neighbours too."""
    return [name for name, form in FORMS.items() if form[6:-6] in shown]
