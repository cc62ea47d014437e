package main

func draw(file, backend string, rows []row) error { return nil }
