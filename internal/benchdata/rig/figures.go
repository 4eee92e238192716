package rig

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Spread is the median of several runs, and the least and the most.
type Spread struct{ Median, Least, Most float64 }

// SpreadOf is that of at least one value.
func SpreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	return Spread{sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1]}
}

func (s Spread) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Least, s.Most) }

// Ratios are those of runs in pairs.
func Ratios(of, to []float64) []float64 {
	list := make([]float64, len(of))
	for i := range of {
		list[i] = of[i] / to[i]
	}
	return list
}

// Part is the time in milliseconds that a part of the requests did not take longer than. It sorts them.
func Part(took []time.Duration, part float64) float64 {
	slices.Sort(took)
	return took[min(int(part*float64(len(took))), len(took)-1)].Seconds() * 1000
}

// Power writes powers of ten as such.
func Power(n int) string {
	digits := fmt.Sprint(n)
	if strings.Trim(digits[1:], "0") != "" || digits[0] != '1' || len(digits) > 10 {
		return digits
	}
	return "10" + Superscript(len(digits)-1)
}

// Superscript is a raised digit.
func Superscript(digit int) string { return string([]rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[digit]) }

// Processor names that of the machine.
func Processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// Replace puts text between the marks of a tool into a page; the rest of it is written by hand.
func Replace(page, tool, text string) error {
	begin, end := Marks(tool)
	written, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(written), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return fmt.Errorf("%s lacks the marks %s and %s", page, begin, end)
	}
	return os.WriteFile(page, []byte(before+begin+"\n\n"+text+"\n"+end+after), 0o644)
}

// Marks are what the text of a tool stands between.
func Marks(tool string) (begin, end string) {
	return "<!-- " + tool + " begins: written by `make " + tool + "` -->", "<!-- " + tool + " ends -->"
}
