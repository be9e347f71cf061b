"""The parts of `kit tune`: what a trial is scored by, when it is given up, where studies lie, who works on them."""
