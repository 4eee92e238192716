package keys

// Few sets how many keys a condition may match to be what a search is read by: 0 for none.
func (a *Authority) Few(n int) { a.few = n }
