"""The look of the run report: one style sheet for light and dark, wide and narrow."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fcfcfb; --card: #ffffff; --ink: #1d2126; --soft: #5f6670; --line: #e5e6e3; --grid: #ecedeb;
  --train: #3b6fc9; --check: #1a7f52; --base: #b8741a; --final: #8a3ffc; --good: #1a7f37; --bad: #c4282f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1b1e23; --ink: #e6e8eb; --soft: #9aa2ad; --line: #2c3138; --grid: #272b31;
    --train: #7aa5f0; --check: #4fc08d; --base: #e0a458; --final: #b794f6; --good: #4fc08d; --bad: #f0757b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 40px 20px 80px; max-width: 1080px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 1.1rem; margin: 44px 0 12px; letter-spacing: -0.005em; }
h3 { font-size: 0.9rem; font-weight: 600; margin: 0 0 6px; overflow-wrap: anywhere; }
p { margin: 0 0 12px; }
.soft { color: var(--soft); }
.pill {
  display: inline-block; padding: 1px 10px; border-radius: 999px; border: 1px solid currentColor;
  font-size: 0.8rem; font-weight: 600; vertical-align: 3px; margin-left: 8px;
}
.pill.good { color: var(--good); } .pill.bad { color: var(--bad); } .pill.wait { color: var(--base); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 24px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; min-width: 0; }
.tile b { display: block; font-size: 2rem; line-height: 1.2; font-weight: 650; letter-spacing: -0.02em; }
.tile span { color: var(--soft); font-size: 0.85rem; display: block; }
.grid2 { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 12px; }
.grid3 { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 260px), 1fr)); gap: 12px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 12px; font-size: 0.85rem; color: var(--soft); }
.legend i { display: inline-block; width: 14px; height: 3px; border-radius: 2px; vertical-align: 4px; margin-right: 6px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
.grid { stroke: var(--grid); stroke-width: 1; }
.tick { fill: var(--soft); font-size: 12px; }
.curve { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.dot { fill: var(--c); stroke: var(--card); stroke-width: 1.5; }
.span { stroke: var(--c); stroke-width: 1.5; opacity: 0.4; }
.level { stroke: var(--c); stroke-width: 1.5; stroke-dasharray: 5 4; }
.band { fill: var(--c); opacity: 0.13; }
.train { --c: var(--train); } .check { --c: var(--check); } .base { --c: var(--base); } .final { --c: var(--final); }
.idle { --c: #9aa0a9; }
.legend i { background: var(--c); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: 0.82rem; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td.n, th.n { text-align: right; }
td.wrap { white-space: normal; overflow-wrap: anywhere; }
.range { position: relative; display: block; width: 100%; min-width: 130px; height: 10px; border-radius: 5px; background: var(--grid); }
.range i { position: absolute; top: 0; bottom: 0; border-radius: 5px; background: var(--c); opacity: 0.35; }
.range b { position: absolute; top: -2px; bottom: -2px; width: 3px; border-radius: 2px; background: var(--c); }
.bar { display: flex; height: 14px; border-radius: 7px; overflow: hidden; gap: 2px; margin: 4px 0 10px; }
.bar i { background: var(--c); }
video, img { display: block; max-width: 100%; height: auto; border-radius: 8px; margin: 0 auto; }
video { width: 100%; image-rendering: auto; }
figure { margin: 0 0 12px; } figcaption { color: var(--soft); font-size: 0.85rem; margin-top: 8px; }
details { margin-top: 8px; } summary { cursor: pointer; color: var(--soft); }
pre { overflow-x: auto; font: 0.82rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; margin: 12px 0 0; }
code { font: 0.88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 520px) { body { padding: 24px 14px 60px; } .tile b { font-size: 1.7rem; } .tick { font-size: 15px; } }
"""
