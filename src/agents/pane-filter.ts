/**
 * The start of every pane filter: reads raw lines (`jq --unbuffered -Rr`), never fails on garbage, and shows what `show`
 * (defined after it, a JSON object in, strings out) makes of a line. Escape sequences lose their ESC and so their power.
 */
export function paneFilter(show: string): string {
  return `
def clean: explode | map(
    if . == 10 or . == 9 then . elif . < 32 or (. >= 127 and . < 160) then empty
    elif (. >= 8203 and . <= 8207) or (. >= 8232 and . <= 8238) or (. >= 8288 and . <= 8297) or . == 65279 then empty
    else . end) | implode;
def cut(n): if length > n then .[0:n] + "…" else . end;
def text(n): if type == "string" then . else tojson end | cut(n * 4) | clean | cut(n);
def line(n): text(n) | gsub("[\\\\n\\\\t]+"; " ");
def indent: split("\\n") | map("    " + .) | join("\\n");
${show}
if length > 1000000 then "(a line of \\(length) characters)"
else . as $raw
  | (try fromjson catch null) as $value
  | if ($value | type) == "object" then (try ($value | show) catch ($raw | line(200)))
    elif ($raw | test("^\\\\s*$")) then empty
    else ($raw | line(200)) end
end`;
}
