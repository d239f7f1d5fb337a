"""How a report looks: light or dark as the reader's system is, and on paper."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --line: #d9dce1; --ink: #1c1f24; --faint: #5d6470;
  --track: #e4e7ec; --share: #2f6fd0; --good: #15803d; --bad: #b91c1c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --line: #333a44; --ink: #e8eaed; --faint: #9aa3b0;
    --track: #2b313a; --share: #6ba3f5; --good: #4ade80; --bad: #f87171;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 68rem; padding: 2rem 1.25rem 4rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { margin: 0 0 .25rem; font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.15rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; overflow-wrap: anywhere; }
p, li { max-width: 48rem; }
.faint { color: var(--faint); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--faint); font-weight: 600; font-size: .85rem; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; min-width: 5.5rem; overflow-wrap: anywhere; }
td:first-child { white-space: normal; }
td.wide { width: 40%; min-width: 8rem; padding-right: 0; }
.headline td { font-size: 1.05rem; }
.headline td:nth-child(2) { font-weight: 700; }
.good { color: var(--good); } .bad { color: var(--bad); }
.bar { display: block; width: 100%; height: .7rem; }
.ground { fill: var(--track); } .share { fill: var(--share); }
.mark { stroke: var(--ink); stroke-width: 3; vector-effect: non-scaling-stroke; }
.bars { list-style: none; margin: 0; padding: 0; columns: 20rem; column-gap: 2rem; }
.bars li {
  display: grid; grid-template-columns: minmax(5rem, 2fr) 3fr 3.2rem; gap: .6rem; align-items: center;
  break-inside: avoid; max-width: none; font-variant-numeric: tabular-nums;
}
.bars .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars .value { text-align: right; }
figure { margin: 0 0 1.5rem; break-inside: avoid; }
figcaption { margin-bottom: .35rem; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; }
.pair div { position: relative; }
.pair img { display: block; width: 100%; height: auto; border-radius: 4px; }
.pair p { margin: .15rem 0 0; font-size: .85rem; color: var(--faint); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 0; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.groups { columns: 20rem; column-gap: 2rem; }
.groups section { break-inside: avoid; }
.groups h3:first-child { margin-top: 0; }
@media (max-width: 40rem) { .pair { grid-template-columns: 1fr; } td.wide { display: none; } }
@media print {
  :root {
    color-scheme: light;
    --ground: #fff; --line: #bbb; --ink: #000; --faint: #444;
    --track: #ddd; --share: #2f6fd0; --good: #15803d; --bad: #b91c1c;
  }
  body { max-width: none; padding: 0; font-size: 11px; }
  svg, img { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; }
}
"""
