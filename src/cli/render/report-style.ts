/** How the report's page looks: on a screen, on a narrow one, on paper. */
export const reportStyle = `
:root{color-scheme:light dark;--ink:#1f2733;--soft:#5d6878;--line:#d9dee6;--bg:#fff;--card:#f5f7fa;--bar:#3d73b8;--over:#c0512f;--good:#2c7a4b}
@media(prefers-color-scheme:dark){
:root{--ink:#e4e8ee;--soft:#9aa5b4;--line:#333c48;--bg:#14181e;--card:#1c222b;--bar:#6ea0dd;--over:#e58460;--good:#6cc18d}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:84rem;padding:0 1.25rem;color:var(--ink);background:var(--bg)}
h1{font-size:1.45rem;line-height:1.25;margin:0 0 1rem}
h2{font-size:1.05rem;margin:2.25rem 0 .1rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem}
.tile{background:var(--card);border-radius:.5rem;padding:.7rem .9rem;display:flex;flex-direction:column}
.tile b{font-size:1.5rem;line-height:1.2;font-variant-numeric:tabular-nums}
.tile span,.tile small,.all,.legend,th{color:var(--soft)}
.tile small{min-height:1.3em}
.all{max-width:60rem}
.legend{font-size:.87rem;margin:0 0 .6rem}
.wide{overflow-x:auto;margin-top:.6rem;border:1px solid var(--line);border-radius:.5rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{padding:.4rem .5rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
th{border-top:0;font-weight:600;vertical-align:bottom;background:var(--card)}
.title{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2;overflow:hidden;overflow-wrap:anywhere;min-width:13rem;max-width:26rem}
td:nth-child(2){max-width:11rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums}
td.n{white-space:nowrap}
td:nth-child(4){white-space:normal!important}
.merged td:nth-child(3){color:var(--good)}
.failed td:nth-child(3){color:var(--over)}
.bar{display:grid;grid-template-columns:minmax(0,18rem) minmax(4rem,1fr) 9.5rem;gap:.75rem;align-items:center;padding:.12rem 0}
.label{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.track{position:relative;height:.8rem;background:var(--card);border-radius:.2rem}
.track i{position:absolute;top:0;bottom:0}
.fill{left:0;background:var(--bar);border-radius:.2rem}
.over{left:0;background:var(--over);border-radius:.2rem}
.mark{width:2px;margin-left:-2px;top:-.15rem!important;bottom:-.15rem!important;background:var(--ink)}
.figure{font-size:.87rem;font-variant-numeric:tabular-nums;white-space:nowrap}
@media(max-width:42rem){.bar{grid-template-columns:minmax(0,1fr) auto;gap:0 .75rem;padding:.35rem 0}.track{grid-row:2;grid-column:1/-1}}
@media print{.title{-webkit-line-clamp:none}body{margin:0;max-width:none}.wide{overflow:visible;border:0}.bar,tr{break-inside:avoid}}
`;
