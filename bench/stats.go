package main

import (
	"slices"
	"time"
)

// median is the middle value, or the mean of the two in the middle; 0 of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// quantile is the smallest value that a share q of the sorted values does not exceed (nearest
// rank); 0 of nothing.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// ratios compares each of ours with the mean of the two ceilings measured right before and
// after it, so that a machine that slows down in between slows both. There is one ceiling
// more than there are of ours.
func ratios(ours, ceilings []float64) []float64 {
	var all []float64
	for i, v := range ours {
		if around := (ceilings[i] + ceilings[i+1]) / 2; around > 0 {
			all = append(all, v/around)
		}
	}
	return all
}

// spread is the least and the most.
func spread(values []float64) (low, high float64) {
	if len(values) == 0 {
		return 0, 0
	}
	return slices.Min(values), slices.Max(values)
}
