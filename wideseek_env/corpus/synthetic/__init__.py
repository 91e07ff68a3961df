"""A synthetic web: seeded pages about invented museums, lighthouses, films and other things.

`SyntheticWorld` makes it, `WorldConfig` configures it, and `wideseek_env.tasks.synthetic` makes tasks from it.
Everything is invented. Every domain is below the reserved ``.example``.

A scripted reader may rely on this form of the pages:

- The Almanack (``almanack.example``) has an article for every entity, person, town and region. An article is a lead
  sentence (what and where), an infobox (a table with two columns: label, value), and prose.
- Each attribute is either in the infobox, under its label, or in one sentence of the prose, never in both. That
  sentence has the label in lower case. The first of the words *is, was, at, on, in, of* after the label introduces the
  value. The value ends at the full stop or a semicolon. A label or value in the lead sentence is also given in one of
  these two ways. Which attributes are in prose is the same for all articles of a list.
- A value that has a page (person, town, register entry) is a link to that page.
- A list (``List of museums in Norvania``) has the names with links to their articles, in alphabetical order, over
  several pages. It has no attributes. The link to the following page reads ``Next page``. The last page has no such
  link. A category links to the lists of one kind. A region's article links to the lists of that region.
- The names of entities with the same name end with the town in parentheses. A page ``… (disambiguation)`` links to
  these entities.

The Almanack's current pages are true. Official websites and the register (``register.example``) agree with it. Three
sources contain wrong values, and their pages tell so: archived copies (``archive.example``, "archived copy of 2009"),
reprints of old news ("figures were those of the day"), and ``anywiki.example`` ("cites no sources"). News and travel
notes mention entities and contain numbers, but answer nothing.
"""

from wideseek_env.corpus.synthetic.config import WorldConfig
from wideseek_env.corpus.synthetic.world import SyntheticWorld

__all__ = ["SyntheticWorld", "WorldConfig"]
