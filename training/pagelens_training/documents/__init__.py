"""Documents with exact ground truth: what they say (`kinds`), how they look (`pillow`, `html`), what the camera does (`effects`), what is asked (`tasks`)."""
