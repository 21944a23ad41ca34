package repository

import "context"

func (r *Repository) bundle(ctx context.Context) error { return nil }
