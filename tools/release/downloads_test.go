package main

import "testing"

func TestCountDownloads(t *testing.T) {
	cache := t.TempDir()
	if sent, err := countDownloads(cache); err != nil || sent != (downloads{}) {
		t.Errorf("countDownloads of an empty cache = %+v, %v; want nothing, nil", sent, err)
	}
	for name, text := range map[string]string{
		"example.test/a/@v/v1.0.0.zip":     "12345",
		"example.test/a/@v/v1.0.0.mod":     "123",
		"example.test/a/@v/v1.0.0.info":    "12",
		"example.test/a/@v/v1.0.0.ziphash": "not sent",
		"example.test/a/@v/v1.0.0.lock":    "not sent",
		"example.test/a/@v/list":           "not sent",
		"example.test/a/v2/@v/v2.0.0.mod":  "1",
		"sumdb/sum.test/lookup/a.zip":      "of the checksum database",
	} {
		writeFile(t, cache, "cache/download/"+name, text)
	}
	writeFile(t, cache, "example.test/a@v1.0.0/a.zip", "unpacked")
	want := downloads{modules: 1, goMods: 1, bytes: 5 + 3 + 2 + 1}
	if sent, err := countDownloads(cache); err != nil || sent != want {
		t.Errorf("countDownloads = %+v, %v; want %+v, nil", sent, err, want)
	}
}
