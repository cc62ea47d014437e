// Package contract reads the sentences of the contract from the comments of package driver, for
// tests of texts that quote them.
package contract

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Sentences returns the sentences of the comments of package driver, which is in dir, by the
// declarations that they belong to: "package driver", "Record", "Store.Flush".
func Sentences(t testing.TB, dir string) map[string][]string {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	contract := map[string][]string{}
	add := func(in string, doc *ast.CommentGroup) {
		if doc != nil {
			contract[in] = append(contract[in], split(doc.Text())...)
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		add("package driver", f.Doc)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				add(n.Name.Name, n.Doc)
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					addSpec(add, n.Doc, spec)
				}
			}
			return true
		})
	}
	return contract
}

// addSpec adds the comments of a type and of its methods or fields, or the comments
// of a value.
func addSpec(add func(string, *ast.CommentGroup), doc *ast.CommentGroup, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		add(spec.Names[0].Name, spec.Doc)
	case *ast.TypeSpec:
		add(spec.Name.Name, doc)
		var members *ast.FieldList
		switch typ := spec.Type.(type) {
		case *ast.InterfaceType:
			members = typ.Methods
		case *ast.StructType:
			members = typ.Fields
		default:
			return
		}
		for _, m := range members.List {
			if len(m.Names) > 0 {
				add(spec.Name.Name+"."+m.Names[0].Name, m.Doc)
			}
		}
	}
}

var (
	link = regexp.MustCompile(`\[([\w.]+)\]`)
	end  = regexp.MustCompile(`\.\s+([A-Z0-9]|$)`)
)

// split returns the sentences of a comment, without line breaks and the brackets of links. The
// end of a paragraph and of a list item ends a sentence.
func split(text string) (list []string) {
	text = link.ReplaceAllString(text, "$1")
	text = regexp.MustCompile(`\n\s*- `).ReplaceAllString(text, "\n\n")
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		paragraph = strings.Join(strings.Fields(paragraph), " ")
		for _, s := range strings.SplitAfter(end.ReplaceAllString(paragraph, ".\n$1"), "\n") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, s)
			}
		}
	}
	return list
}
