package main

import (
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// draw draws the times of calls, and of the longest call during a sweep, over the number of sessions.
func draw(file, backend string, rows []row) error {
	p := plot.New()
	p.Title.Text = "Growth: " + backend
	p.X.Label.Text = "sessions"
	p.Y.Label.Text = "microseconds"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	line := func(of func(row) time.Duration) plotter.XYs {
		var points plotter.XYs
		for _, r := range rows {
			if d := of(r); d > 0 {
				points = append(points, plotter.XY{X: float64(r.sessions), Y: float64(d) / float64(time.Microsecond)})
			}
		}
		return points
	}
	err := plotutil.AddLinePoints(p,
		"retrieve", line(func(r row) time.Duration { return r.retrieve }),
		"retrieve and flush", line(func(r row) time.Duration { return r.flush }),
		"longest call during a sweep of all", line(func(r row) time.Duration { return r.stall }),
	)
	if err != nil {
		return err
	}
	p.Y.Min = math.Min(p.Y.Min, 0.1)
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, file)
}
