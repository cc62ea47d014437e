// References checks that the files of the root package keep the order of the layers in layers.txt. A file may refer to
// files of its own layer and of lower layers, and to the types Factory and Session and their methods.
//
//	go run ./tools/references          # prints the counts, and every reference against the order
//	go run ./tools/references -max 20  # fails if there are more than 20 references against the order
//
// A reference is a pair of a file and an identifier that it uses and another file declares, at package level or as a
// method. It counts once, however often the file uses the identifier. The command fails if a file is in no layer.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"log"
)

//go:embed layers.txt
var layersText string

// exempt are the types to which every file may refer.
var exempt = []string{"Factory", "Session"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("references: ")
	dir := flag.String("dir", ".", "directory of the package")
	limit := flag.Int("max", -1, "fail if there are more references against the order than this; negative means no limit")
	flag.Parse()
	layers, err := parseLayers(layersText)
	if err != nil {
		log.Fatal(err)
	}
	files, refs, err := load(*dir, exempt)
	if err != nil {
		log.Fatal(err)
	}
	if err := layers.check(files); err != nil {
		log.Fatal(err)
	}
	up := layers.against(refs)
	fmt.Print(report(layers, up))
	fmt.Printf("%d files; %d references between %d pairs of files; against the order: %d references between %d pairs\n",
		len(files), len(refs), pairs(refs), len(up), pairs(up))
	if *limit >= 0 && len(up) > *limit {
		log.Fatalf("%d references are against the order; at most %d are allowed", len(up), *limit)
	}
}
