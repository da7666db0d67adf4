// Command benchsum reads the output of "go test -bench" from its input, passes on what is not
// a benchmark's line, and prints a table at the end: first the figures that were compared with
// a peer, then the others. With --goals another one follows: what the project wants to reach, and
// whether it does. Package bench says what the units mean.
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
	if len(os.Args) > 1 && os.Args[1] == "--goals" {
		goals(os.Stdout, results)
	}
	if failed {
		os.Exit(1)
	}
}

func read(r io.Reader, echo io.Writer) (results []result, failed bool, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		failed = failed || strings.HasPrefix(line, "FAIL") || strings.HasPrefix(line, "--- FAIL")
		if res, ok := parse(line); ok {
			results = append(results, res)
			fmt.Fprintf(echo, "%s: done\n", res.name)
		} else {
			fmt.Fprintln(echo, line)
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

// number prints with three significant digits, or as an integer.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// ratio prints with two decimals, or, of a small one, with two significant digits.
func ratio(v float64) string {
	if v != 0 && v < 0.1 {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
