package main

import (
	"fmt"
	"strings"
	"time"
)

// Result is everything that one run of the benchmark found, as -json prints it.
type Result struct {
	When       time.Time `json:"when"`
	Command    string    `json:"command"`
	Machine    string    `json:"machine"`
	Cores      int       `json:"cores"`
	Load       float64   `json:"loadAverage"` // before the run began: what others did with the machine
	Versions   []string  `json:"versions"`
	Redis      string    `json:"redis"` // how it kept its data
	Users      int       `json:"users"` // the most
	Groups     int       `json:"groups"`
	Largest    int       `json:"largestGroup"`
	Rounds     int       `json:"rounds"`
	Slice      string    `json:"slice"`
	IdleMemory int64     `json:"idleMemory"` // of the server before anything was loaded
	Rows       []Row     `json:"operations"`
	Checks     []Check   `json:"checks"`
	Took       string    `json:"took"`
}

// Row compares one operation with its ceiling.
type Row struct {
	Operation   string  `json:"operation"`
	Users       int     `json:"users"`
	Versus      string  `json:"versus"`
	Connections int     `json:"connections"`
	Ours        Side    `json:"rollcall"`
	Ceiling     Side    `json:"ceiling"`
	Ratio       float64 `json:"ratio"` // of throughputs: the median over the rounds
	RatioLow    float64 `json:"ratioLow"`
	RatioHigh   float64 `json:"ratioHigh"`
	// CPURatio is the ceiling's CPU time for a request, with Redis's, over ours. It says the same as Ratio
	// and is steadier where other programs use the machine.
	CPURatio float64 `json:"cpuRatio"`
	Goal     float64 `json:"goal"`            // the least ratio
	Floor    float64 `json:"floor,omitempty"` // what is held in any case
	Memory   int64   `json:"memory"`          // of the server, at the row's end
}

// Side is one of the two servers of a Row. Times are microseconds, CPU for each request.
type Side struct {
	PerSecond float64 `json:"perSecond"`
	Requests  int     `json:"requests"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	ServerCPU float64 `json:"serverCpu"`
	RedisCPU  float64 `json:"redisCpu"`
}

func (s Side) cpu() float64 { return s.ServerCPU + s.RedisCPU }

// Check is one number with the most that it should be. Goal 0 is none.
type Check struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Goal  float64 `json:"goal,omitempty"`
	Note  string  `json:"note,omitempty"`
}

// verdict says how a row stands: ok at the goal, held between floor and goal, short below.
func (r Row) verdict() string {
	switch {
	case r.Goal == 0:
		return ""
	case r.Ratio >= r.Goal:
		return "ok"
	case r.Floor > 0 && r.Ratio >= r.Floor:
		return "held"
	}
	return "short"
}

func (r Row) goal() string {
	if r.Goal == 0 {
		return "none"
	}
	if r.Floor > 0 {
		return fmt.Sprintf("≥ %.2f (floor %.2f)", r.Goal, r.Floor)
	}
	return fmt.Sprintf("≥ %.2f", r.Goal)
}

func (c Check) verdict() string {
	switch {
	case c.Goal == 0:
		return ""
	case c.Value <= c.Goal:
		return "ok"
	}
	return "short"
}

func (c Check) goal() string {
	if c.Goal == 0 {
		return ""
	}
	return "≤ " + quantity(c.Goal, c.Unit)
}

// quantity writes a number with three digits that count.
func quantity(v float64, unit string) string {
	digits := 2
	if v >= 100 {
		digits = 0
	} else if v >= 10 {
		digits = 1
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, v, unit))
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// table is what both kinds of output are made of. The first column is text, the rest numbers.
type table struct {
	head []string
	rows [][]string
}

func (r *Result) operations() table {
	t := table{head: []string{"operation", "users", "conns", "rollcall/s", "ceiling", "ceiling/s", "ratio", "goal", "", "CPU ratio", "p50 ms", "p99 ms", "CPU µs", "ceiling", "Redis µs", "ceiling", "RSS MiB"}}
	for _, row := range r.Rows {
		a, b := row.Ours, row.Ceiling
		t.rows = append(t.rows, []string{row.Operation, fmt.Sprint(row.Users), fmt.Sprint(row.Connections),
			fmt.Sprintf("%.0f", a.PerSecond), row.Versus, fmt.Sprintf("%.0f", b.PerSecond),
			fmt.Sprintf("%.2f (%.2f-%.2f)", row.Ratio, row.RatioLow, row.RatioHigh), row.goal(), row.verdict(), fmt.Sprintf("%.2f", row.CPURatio),
			fmt.Sprintf("%.2f", a.P50/1000), fmt.Sprintf("%.2f", a.P99/1000),
			fmt.Sprintf("%.0f", a.ServerCPU), fmt.Sprintf("%.0f", b.ServerCPU),
			fmt.Sprintf("%.0f", a.RedisCPU), fmt.Sprintf("%.0f", b.RedisCPU), fmt.Sprintf("%.0f", mebibytes(row.Memory))})
	}
	return t
}

func (r *Result) checks() table {
	t := table{head: []string{"what", "measured", "goal", "", "note"}}
	for _, c := range r.Checks {
		t.rows = append(t.rows, []string{c.Name, quantity(c.Value, c.Unit), c.goal(), c.verdict(), c.Note})
	}
	return t
}

// text lines the columns up.
func (t table) text() string {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for _, row := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

func (t table) markdown() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	b.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		line(cells)
	}
	return b.String()
}

// heading tells what was measured, on what.
func (r *Result) heading() []string {
	return []string{
		fmt.Sprintf("%s, %d cores; %s.", r.Machine, r.Cores, strings.Join(r.Versions, ", ")),
		fmt.Sprintf("Redis: %s. %d users of 1.2 KB, %d groups, one of %d.", r.Redis, r.Users, r.Groups, r.Largest),
		fmt.Sprintf("Load average before the run: %.1f. Much above 0, others used the cores too, and ratios scatter.", r.Load),
		fmt.Sprintf("Servers, Redis and load generator share the cores. Slices of %s, ceiling and Rollcall by turns, %d rounds; a ratio is the median of the rounds (least-most).", r.Slice, r.Rounds),
	}
}

func (r *Result) text() string {
	return strings.Join(r.heading(), "\n") + "\n\n" + r.operations().text() + "\n" + r.checks().text() +
		fmt.Sprintf("\n%s. All of it took %s.\n", legend, r.Took)
}

const legend = "ok: at the goal; held: below it, but above the floor; short: below"

// document is docs/performance.md.
func (r *Result) document() string {
	var b strings.Builder
	million := ""
	if r.Users < 1_000_000 {
		million = "\nMemory and start with a million users are measured by `go run ./bench -users 1000000 -ldap 0 -run '^$' -markdown docs/performance-1m.md`."
	}
	fmt.Fprintf(&b, `# Performance

Measured by `+"`%s`"+` on %s; that command writes this page anew.%s

How fast Rollcall is says little by itself, since machines differ. So each operation is compared with a
*ceiling*, measured by turns with it in the same run: a bare net/http handler that does the least Redis
work that the operation needs, without authentication, rules or SCIM.

| ceiling | what it does |
|---|---|
| get | GET |
| page | MGET of 100 records, which are known beforehand |
| stream | the members of a group in pages of 1,000, by ZRANGEBYLEX, each written as it is read |
| lookup | HGET, GET |
| evaljson | a body of 1.2 KB decoded and encoded once, EVALSHA of a script of eight commands |
| getevaljson | GET, then as evaljson |
| eval | EVALSHA of a script of eight commands |

`, r.Command, r.When.Format("2 January 2006"), million)
	for _, line := range r.heading() {
		b.WriteString("- " + line + "\n")
	}
	if len(r.Rows) == 0 {
		fmt.Fprintf(&b, "- %s.\n", legend)
		r.writeChecks(&b)
		return b.String()
	}
	fmt.Fprintf(&b, "- CPU and Redis: CPU time of the server and of Redis for each request, in microseconds, beside that of the ceiling. CPU ratio: the ceiling's sum of both over Rollcall's; it is steadier than the ratio of throughputs where other programs use the machine. RSS: the server's memory after the row.\n- %s.\n\n## Operations\n\n", legend)
	b.WriteString(r.operations().markdown())
	r.writeChecks(&b)
	return b.String()
}

func (r *Result) writeChecks(b *strings.Builder) {
	b.WriteString(`
## Index, memory and LDAP sync

The index is measured in a process of its own that is one more replica, without HTTP; over the fence is what a list takes beyond the look at the newest number.
A sync is the process ` + "`rollcall sync run`" + ` from start to end. Raw read is ldapsearch with pages of 1,000; raw write is, in pipelines, the eight commands for
each person and group and a ZADD both ways for each membership. Redis memory is that of the data: without buffers and scripts.

`)
	b.WriteString(r.checks().markdown())
}
