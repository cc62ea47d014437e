package main

import (
	"errors"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// draw draws the overhead of reading and of writing sessions of 450 bytes, by one goroutine, on a
// logarithmic scale.
func (r *results) draw(file string) error {
	p := plot.New()
	p.Title.Text = "A request above the bare handler: 450 B, 1 goroutine"
	p.X.Label.Text = "microseconds"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top = true
	var names []string
	var read, write plotter.XYs
	for i := len(r.libraries) - 1; i >= 0; i-- {
		library := r.libraries[i]
		reading, found := r.overhead(run{library, "read", "450B", "1"})
		writing, foundToo := r.overhead(run{library, "write", "450B", "1"})
		if !found || !foundToo || library == "none/handler" {
			continue
		}
		y := float64(len(names))
		read = append(read, plotter.XY{X: reading / 1000, Y: y})
		write = append(write, plotter.XY{X: writing / 1000, Y: y})
		names = append(names, library)
	}
	if len(names) == 0 {
		return errors.New("nothing to draw: the input has no read/450B/1 and write/450B/1 of one library")
	}
	for _, of := range []struct {
		name   string
		points plotter.XYs
		color  color.Color
	}{
		{"read", read, color.RGBA{R: 31, G: 119, B: 180, A: 255}},
		{"write", write, color.RGBA{R: 214, G: 39, B: 40, A: 255}},
	} {
		dots, err := plotter.NewScatter(of.points)
		if err != nil {
			return err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: of.color, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}
		p.Add(dots)
		p.Legend.Add(of.name, dots)
	}
	p.Add(plotter.NewGrid())
	p.NominalY(names...)
	return p.Save(18*vg.Centimeter, 12*vg.Centimeter, file)
}
