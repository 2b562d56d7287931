module keelson.dev/standin

go 1.24
