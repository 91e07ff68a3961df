"""The report's style sheet. It follows the system's light or dark setting and loads no fonts or images."""

STYLE = """
:root { color-scheme: light dark;
  --page: light-dark(#f6f7f9, #14161a); --card: light-dark(#ffffff, #1c1f25); --line: light-dark(#dddddd, #363c47);
  --ink: light-dark(#222222, #e4e7ec); --soft: light-dark(#5b6470, #9aa4b2); --accent: light-dark(#2458c5, #86adff);
  --mark: light-dark(#fff3cf, #463a14); --bad: light-dark(#b3261e, #ff8b85);
  --c0: light-dark(#0072b2, #4da9dd); --c1: light-dark(#d55e00, #ff8f45); --c2: light-dark(#009e73, #2fc79b);
  --c3: light-dark(#cc79a7, #e39cc4); --c4: light-dark(#e69f00, #f0b93f); --c5: light-dark(#56b4e9, #7cc6f0);
  --c6: light-dark(#5a5a5a, #b0b0b0); }
body { margin: 0 auto; max-width: 1060px; padding: 20px 24px 60px; background: var(--page); color: var(--ink);
  font: 14px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 34px 0 8px; }
h3 { font-size: 14px; margin: 20px 0 6px; }
h1, h2, h3, p, li { overflow-wrap: anywhere; }
td, th { overflow-wrap: break-word; max-width: 26ch; }
a { color: var(--accent); } h2 a, h3 a { color: inherit; text-decoration: none; }
h2 a:hover::after, h3 a:hover::after { content: " #"; color: var(--soft); }
nav ul { margin: 6px 0; padding: 0; display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; }
.soft { color: var(--soft); } .bad { color: var(--bad); }
.note { background: var(--mark); border-radius: 6px; padding: 8px 14px; margin: 10px 0; } .note ul { margin: 0; }
.over { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; font-weight: 600; font-size: 12.5px; } th:first-child, td:first-child { text-align: left; }
tbody th { font-weight: 400; } td .ci { color: var(--soft); font-size: 12px; white-space: nowrap; }
td.text { text-align: left; } tr.differs > * { background: var(--mark); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; margin: 6px 0;
  white-space: pre-wrap; overflow-wrap: anywhere; font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
figure { margin: 8px 0 16px; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px; }
figure svg { display: block; width: 100%; height: auto; } figure.column svg { max-width: 520px; margin: 0 auto; }
figcaption { color: var(--soft); font-size: 12.5px; margin-top: 6px; }
@media print { body { max-width: none; } .over, figure, pre { break-inside: avoid; } }
"""
