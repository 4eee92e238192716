package store

// By answers rows by what tells them apart, such as their id. It passes an error on.
func By[R any](of func(R) string, rows []R, err error) (map[string]R, error) {
	if err != nil {
		return nil, err
	}
	by := make(map[string]R, len(rows))
	for _, row := range rows {
		by[of(row)] = row
	}
	return by, nil
}

// Grouped is By for rows of which several belong together; they keep their order.
func Grouped[R any](of func(R) string, rows []R, err error) (map[string][]R, error) {
	if err != nil {
		return nil, err
	}
	groups := map[string][]R{}
	for _, row := range rows {
		groups[of(row)] = append(groups[of(row)], row)
	}
	return groups, nil
}
