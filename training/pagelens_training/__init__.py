"""Training of the tiny InternVL that ships with PageLens: pictures are generated, nothing is downloaded."""
