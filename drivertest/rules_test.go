package drivertest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each rule is a sentence of the contract, word for word, so that who reads a
// failure can find it, and who changes it has to look at its checks.
func TestRulesAreSentencesOfTheContract(t *testing.T) {
	contract := sentences(t)
	for _, c := range checks {
		require.Contains(t, contract[c.in], c.rule, "%s: no such sentence at %s", c.name, c.in)
	}
}

// What the contract says a store must do is checked.
func TestEveryMustHasACheck(t *testing.T) {
	must := regexp.MustCompile(`\bmust\b`)
	checked := map[string]bool{}
	for _, c := range checks {
		checked[c.in+": "+c.rule] = true
	}
	for in, list := range sentences(t) {
		for _, s := range list {
			if must.MatchString(strings.ReplaceAll(s, `"must"`, "")) && !checked[in+": "+s] {
				t.Errorf("%s says, and no check has it: %s", in, s)
			}
		}
	}
}

// sentences returns the sentences of package driver's comments by what they are
// about: "package driver", "Record", "Store.Flush".
func sentences(t *testing.T) map[string][]string {
	files, err := filepath.Glob("../driver/*.go")
	require.NoError(t, err)
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
		require.NoError(t, err)
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

// addSpec adds the comments of a type and of its methods or fields, or those of
// a value.
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

// split returns the sentences of a comment, without line breaks and the brackets
// of links. A paragraph and an item of a list end a sentence.
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
