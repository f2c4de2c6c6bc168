"""Figures of the papers, drawn from finished runs: each as PNG, SVG and the numbers drawn."""
