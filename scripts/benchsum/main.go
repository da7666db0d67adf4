// Command benchsum reads the output of "go test -bench" from its input, passes it on as it
// comes, and prints a summary at the end: first the ratios to peers, which benchmarks report
// with the unit "x-peer" (how many times the peer's cost is ours: below 1 is better than the
// peer), then every other figure.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// result is one benchmark's line.
type result struct {
	name    string
	figures []figure
}

type figure struct {
	value float64
	unit  string
}

func main() {
	results, failed, err := read(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchsum:", err)
		os.Exit(1)
	}
	summarise(os.Stdout, results)
	if failed {
		os.Exit(1)
	}
}

func read(r io.Reader, echo io.Writer) (results []result, failed bool, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		fmt.Fprintln(echo, line)
		failed = failed || strings.HasPrefix(line, "FAIL") || strings.HasPrefix(line, "--- FAIL")
		if res, ok := parse(line); ok {
			results = append(results, res)
		}
	}
	return results, failed, lines.Err()
}

// parse takes a line such as "BenchmarkX/y-2  100  123 ns/op  0.56 x-peer" apart.
func parse(line string) (result, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
		return result{}, false
	}
	name := strings.TrimPrefix(fields[0], "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i] // GOMAXPROCS
	}
	res := result{name: name}
	for i := 2; i < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return result{}, false
		}
		res.figures = append(res.figures, figure{v, fields[i+1]})
	}
	return res, true
}

func summarise(w io.Writer, results []result) {
	head := "\nratios to peers (ours / theirs; below 1 is better)\n"
	for _, res := range results {
		for _, f := range res.figures {
			if f.unit == "x-peer" {
				fmt.Fprintf(w, "%s  %-60s %8.2f x\n", head, res.name, f.value)
				head = ""
			}
		}
	}
	head = "\nfigures\n"
	for _, res := range results {
		var b strings.Builder
		for _, f := range res.figures {
			if f.unit != "x-peer" && f.unit != "B/op" && f.unit != "allocs/op" {
				fmt.Fprintf(&b, "  %s %s", number(f.value), f.unit)
			}
		}
		if b.Len() > 0 {
			fmt.Fprintf(w, "%s  %-60s%s\n", head, res.name, b.String())
			head = ""
		}
	}
}

// number prints with three significant digits, or as an integer.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
