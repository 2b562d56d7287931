"""The demo behind `make run`. book: what was observed; screen: its picture; acts: the play; view: a terminal."""
