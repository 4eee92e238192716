package main

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/keytag/keytag/internal/benchdata/rig"
)

// The plot is a panel for each query: p50 in milliseconds over the number of keys, both logarithmic,
// with equal axes, so that panels can be compared.
const (
	panelsInRow             = 4
	panelWidth, panelHeight = 190, 120 // of the axes, px
	marginLeft, marginTop   = 46, 30
	gapRight, gapBelow      = 14, 24
	legendHeight            = 34
)

const style = `
  text { font: 11px system-ui, sans-serif; fill: #444 }
  .title { font-weight: 600; fill: #111 }
  .back { fill: #fff }
  .grid { stroke: #ddd }
  .line { fill: none; stroke-width: 2 }
  .floor { stroke-dasharray: 4 3; stroke-width: 1.5 }
  .postgres { stroke: #0969da } .postgres.dot { fill: #0969da }
  .sqlite { stroke: #bc4c00 } .sqlite.dot { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #aaa }
    .title { fill: #eee }
    .back { fill: #0d1117 }
    .grid { stroke: #333 }
    .postgres { stroke: #58a6ff } .postgres.dot { fill: #58a6ff }
    .sqlite { stroke: #f0883e } .sqlite.dot { fill: #f0883e }
  }
`

// axis is logarithmic, between powers of ten.
type axis struct{ from, to int }

func axisOf(values []float64) axis {
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		least, most = min(least, v), max(most, v)
	}
	from := int(math.Floor(math.Log10(least)))
	return axis{from, max(int(math.Ceil(math.Log10(most))), from+1)}
}

// at is the place of a value, as a part of the axis.
func (a axis) at(value float64) float64 {
	return (math.Log10(value) - float64(a.from)) / float64(a.to-a.from)
}

func (r *results) plot() string {
	var sizes, times []float64
	for i, t := range r.targets {
		sizes = append(sizes, float64(t.size))
		for _, of := range r.timings[i] {
			times = append(times, of.p50.Median, of.floor.Median)
		}
	}
	x, y := axisOf(sizes), axisOf(times)
	names := r.targets[0].queries
	rows := (len(names) + panelsInRow - 1) / panelsInRow
	width, height := min(len(names), panelsInRow)*(marginLeft+panelWidth+gapRight), legendHeight+rows*(marginTop+panelHeight+gapBelow)
	width = max(width, 2*(marginLeft+panelWidth+gapRight)) // for the legend

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	b.WriteString("<title>p50 in milliseconds by number of keys</title>\n<style>" + style + "</style>\n")
	fmt.Fprintf(&b, `<rect class="back" width="%d" height="%d"/>`+"\n", width, height)
	r.legend(&b)
	for q, query := range names {
		left := q%panelsInRow*(marginLeft+panelWidth+gapRight) + marginLeft
		top := legendHeight + q/panelsInRow*(marginTop+panelHeight+gapBelow) + marginTop
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", left, top)
		fmt.Fprintf(&b, `<text class="title" y="-10">%s</text>`+"\n", html.EscapeString(query.Name))
		grid(&b, x, y)
		for _, sqlite := range []bool{false, true} {
			r.line(&b, x, y, q, sqlite, "line floor", func(t *timing) float64 { return t.floor.Median })
			r.line(&b, x, y, q, sqlite, "line", func(t *timing) float64 { return t.p50.Median })
		}
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (r *results) legend(b *strings.Builder) {
	at := marginLeft
	entry := func(class, text string) {
		fmt.Fprintf(b, `<path class="line %s" d="M%d 16h24"/><text x="%d" y="20">%s</text>`+"\n", class, at, at+30, text)
		at += 46 + 6*len(text)
	}
	for _, sqlite := range []bool{false, true} {
		if len(r.of(sqlite)) > 0 {
			class, name := kind(sqlite)
			entry(class, name)
			entry(class+" floor", "its floor")
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="20">ms, by keys</text>`+"\n", at)
}

func kind(sqlite bool) (class, name string) {
	if sqlite {
		return "sqlite", "SQLite"
	}
	return "postgres", "PostgreSQL"
}

func grid(b *strings.Builder, x, y axis) {
	for power := x.from; power <= x.to; power++ {
		at := x.at(math.Pow10(power)) * panelWidth
		fmt.Fprintf(b, `<path class="grid" d="M%.1f 0v%d"/><text x="%.1f" y="%d" text-anchor="middle">10%s</text>`+"\n",
			at, panelHeight, at, panelHeight+14, rig.Superscript(power))
	}
	for power := y.from; power <= y.to; power++ {
		at := panelHeight - y.at(math.Pow10(power))*panelHeight
		fmt.Fprintf(b, `<path class="grid" d="M0 %.1fh%d"/><text x="-6" y="%.1f" text-anchor="end">%g</text>`+"\n", at, panelWidth, at+4, math.Pow10(power))
	}
}

// line joins the figures of a query over the sizes of one kind of database.
func (r *results) line(b *strings.Builder, x, y axis, q int, sqlite bool, class string, figure func(*timing) float64) {
	color, _ := kind(sqlite)
	var path, dots strings.Builder
	for n, i := range r.of(sqlite) {
		command := "L"
		if n == 0 {
			command = "M"
		}
		px := x.at(float64(r.targets[i].size)) * panelWidth
		py := panelHeight - y.at(figure(&r.timings[i][q]))*panelHeight
		fmt.Fprintf(&path, "%s%.1f %.1f", command, px, py)
		fmt.Fprintf(&dots, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="2"/>`, color, px, py)
	}
	if path.Len() > 0 {
		fmt.Fprintf(b, `<path class="%s %s" d="%s"/>%s`+"\n", class, color, path.String(), dots.String())
	}
}
