/** The whole style of the page. Colours name their role, light and dark side by side; on paper it is light. */
export const style = `
:root{color-scheme:light dark;
--page:light-dark(#f7f7f5,#131416);--surface:light-dark(#fff,#1a1b1e);--sunken:light-dark(#f1f1ee,#141517);
--line:light-dark(#e4e4e0,#2c2e33);--line-strong:light-dark(#c9c9c4,#44474d);
--ink:light-dark(#1b1c1f,#f0f0f2);--ink-2:light-dark(#4b4d53,#b9bbc1);--ink-3:light-dark(#6b6d74,#8f9299);
--ok:light-dark(#0f7a54,#5fd0a0);--ok-soft:light-dark(#e5f5ed,#12342a);
--bad:light-dark(#c22a20,#ff8a78);--bad-soft:light-dark(#fdebe8,#3f1b18);
--warn:light-dark(#955400,#f2b457);--warn-soft:light-dark(#fdf2dd,#3a2a10);
--one:light-dark(#2563c9,#7fb0ff);--one-soft:light-dark(#dce8fb,#1d3157);
--two:light-dark(#b8601a,#f0a868);--three:light-dark(#7a3f9d,#cf9bec)}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:18px;line-height:1.3;margin:0 0 4px;letter-spacing:-.005em}
h3{font-size:13px;font-weight:600;margin:0 0 8px;color:var(--ink-2)}
p{margin:0}
.note{color:var(--ink-3);font-size:13px;max-width:76ch}
.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:12px;overflow-wrap:anywhere}
header{margin-bottom:20px}
header .note{margin-top:6px}
.eyebrow{font-size:12px;font-weight:600;letter-spacing:.06em;text-transform:uppercase;color:var(--ink-3);margin-bottom:6px}
section,.verdict{background:var(--surface);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin-top:16px}
section>.note{margin-bottom:14px}
.verdict{border-left-width:5px;display:grid;grid-template-columns:auto minmax(0,1fr);gap:2px 14px;align-items:center}
.verdict.ok{border-left-color:var(--ok)}.verdict.bad{border-left-color:var(--bad)}
.verdict b{font-size:20px;line-height:1.3}
.verdict .mark{width:34px;height:34px;grid-row:span 2}
.ok{color:var(--ok)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.verdict.ok,.verdict.bad{color:inherit}
.verdict.ok b,.verdict.ok .mark{color:var(--ok)}.verdict.bad b,.verdict.bad .mark{color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:12px;margin-top:16px}
.tile{background:var(--surface);border:1px solid var(--line);border-radius:12px;padding:13px 15px;min-width:0}
.tile dt{font-size:12.5px;color:var(--ink-3)}
.tile dd{margin:2px 0 0;font-size:20px;font-weight:600;letter-spacing:-.01em;line-height:1.25;overflow-wrap:anywhere}
.tile dd small{font-size:13px;font-weight:500;letter-spacing:0}
.tile p{font-size:12.5px;color:var(--ink-2);margin-top:3px;line-height:1.4;overflow-wrap:anywhere}
dl{margin:0}
.checks{list-style:none;margin:0;padding:0}
.checks li{display:grid;grid-template-columns:20px minmax(0,1fr);gap:10px;padding:9px 0;border-top:1px solid var(--line);align-items:start}
.checks li:first-child{border-top:0}
.checks svg{margin-top:3px}
.checks .name{font-size:12px;color:var(--ink-3)}
.words{overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:0 -22px;padding:0 22px}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th{font-weight:500;color:var(--ink-3);text-align:left;font-size:12.5px;padding:0 12px 6px 0;vertical-align:bottom}
td{padding:6px 12px 6px 0;border-top:1px solid var(--line);vertical-align:middle;overflow-wrap:anywhere}
th:last-child,td:last-child{padding-right:0}
.n{text-align:right;white-space:nowrap}
td>b{white-space:nowrap}
td small,.sub{color:var(--ink-3);font-size:12px}
.strip{width:38%;min-width:130px}
svg{display:block}
.wide{width:100%;overflow:visible}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:24px 32px;margin-top:20px}
.two>div{min-width:0}.two>div>div+div{margin-top:24px}
.many{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,210px),1fr));gap:18px 20px}
.many figure,figure{margin:0;min-width:0}
figure svg{max-width:100%;height:auto}
figcaption{font-size:13px;font-weight:600;margin-bottom:4px;display:flex;justify-content:space-between;gap:8px;align-items:baseline}
figcaption span{font-weight:400;font-size:12.5px;color:var(--ink-2);white-space:nowrap}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--ink-3)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:12.5px;color:var(--ink-2);margin:0 0 10px}
.legend span{display:inline-flex;align-items:center;gap:6px}
.slices{display:grid;grid-template-columns:minmax(90px,210px) minmax(0,1fr) auto;gap:0;align-items:stretch;font-size:13.5px}
.slices>*{padding:5px 0;border-top:1px solid var(--line);min-height:44px;display:flex;flex-direction:column;justify-content:center;min-width:0}
.slices .axis{border-top:0;min-height:0;padding:0}
.slices .name{overflow-wrap:anywhere;line-height:1.3}
.slices .name{padding-right:14px}.slices .value{padding-left:16px;text-align:right;line-height:1.3;white-space:nowrap}
.slices h3{grid-column:1/-1;border:0;margin:14px 0 0;min-height:0;padding:0 0 2px}
.heat{width:auto;min-width:min(100%,320px)}
.heat th,.heat td{border:0;padding:4px 6px;text-align:center;font-size:12.5px}
.heat tbody th{text-align:right;max-width:170px;overflow-wrap:anywhere;font-weight:500;color:var(--ink-2)}
.heat thead th{max-width:90px;overflow-wrap:anywhere;vertical-align:bottom;color:var(--ink-2)}
.heat td{min-width:44px;height:34px;border:2px solid var(--surface);border-radius:7px}
.heat .right{background:color-mix(in oklab,var(--ok) var(--p),var(--sunken))}
.heat .wrong{background:color-mix(in oklab,var(--bad) var(--p),var(--sunken))}
.heat .corner{font-weight:400;color:var(--ink-3)}
.variant{border-top:1px solid var(--line);padding:16px 0}
.variant:first-of-type{border-top:0;padding-top:4px}
.variant:last-child{padding-bottom:0}
.variant h3{font-size:15px;color:var(--ink);display:flex;flex-wrap:wrap;align-items:center;gap:8px;margin-bottom:4px}
.badge{display:inline-flex;align-items:center;gap:5px;font-size:12px;font-weight:600;border-radius:6px;padding:1px 8px}
.badge.ok{background:var(--ok-soft)}.badge.bad{background:var(--bad-soft)}.badge.warn{background:var(--warn-soft)}.badge.idle{background:var(--sunken);color:var(--ink-3)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(128px,1fr));gap:8px 18px;margin:10px 0 0;font-size:13.5px}
.facts dt{color:var(--ink-3);font-size:12.5px}
.facts dd{margin:0;overflow-wrap:anywhere}
.steps{list-style:none;margin:6px 0 0;padding:0;font-size:13.5px}
.steps li{display:grid;grid-template-columns:92px 84px minmax(0,1fr);gap:4px 12px;padding:5px 0;border-top:1px solid var(--line)}
.steps .taken{font-weight:600}
details{margin-top:12px;font-size:13.5px}
summary{cursor:pointer;color:var(--ink-2);font-size:13px}
details[open] summary{margin-bottom:8px}
.big{font-size:28px;font-weight:600;letter-spacing:-.015em;line-height:1.2}
.assume{margin:0;padding-left:18px;color:var(--ink-2);font-size:13.5px;max-width:84ch}
.assume li{margin:5px 0;overflow-wrap:anywhere}
.pair{display:grid;grid-template-columns:minmax(120px,max-content) minmax(0,1fr);gap:5px 18px;font-size:13.5px;align-items:baseline}
.pair dt{color:var(--ink-3)}.pair dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:22px;color:var(--ink-3);font-size:12.5px}
@media (max-width:620px){
main{padding:20px 12px 48px}section,.verdict{padding:16px 15px}.scroll{margin:0 -15px;padding:0 15px}
h1{font-size:22px}.slices{grid-template-columns:minmax(70px,108px) minmax(0,1fr) auto}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:8px}.tile{padding:11px 12px}.tile dd{font-size:18px}
.steps li{grid-template-columns:82px minmax(0,1fr)}.steps .words{grid-column:1/-1}
.metrics .strip,.metrics .interval{display:none}}
@media print{
:root{color-scheme:light}body{background:#fff;font-size:12px}main{max-width:none;padding:0}
details::details-content{content-visibility:visible;display:block}section,.verdict,.tile{break-inside:avoid;border-color:#ccc}section.long{break-inside:auto}.variant,figure,tr,.checks li{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
`.trim();
