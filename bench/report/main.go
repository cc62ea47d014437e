// Report turns the output of the benchmarks into the tables and the chart of a README:
//
//	go test -bench . | tee bench.txt
//	go run ./report -readme README.md -svg requests.svg < bench.txt
//
// Without -readme it prints the tables.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
)

// Report replaces the part of the README between these lines.
const (
	begin = "<!-- measured -->\n"
	end   = "<!-- until here -->\n"
)

func main() {
	log.SetFlags(0)
	readme := flag.String("readme", "", "write the tables into this `file`, between its lines \"<!-- measured -->\" and \"<!-- until here -->\"")
	svg := flag.String("svg", "", "draw the chart into this `file`")
	flag.Parse()
	results, err := parse(os.Stdin)
	if err == nil && *svg != "" {
		err = results.draw(*svg)
	}
	if err != nil {
		log.Fatal(err)
	}
	tables := results.machine + "\n\n" + results.ratioTable() + "\n" + results.workTables()
	if *readme == "" {
		fmt.Print(tables)
		return
	}
	if err := replace(*readme, tables); err != nil {
		log.Fatal(err)
	}
}

func replace(file, tables string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, foundToo := strings.Cut(rest, end)
	if !found || !foundToo {
		return fmt.Errorf("%s has no lines %q and %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+tables+"\n"+end+after), 0o644)
}
