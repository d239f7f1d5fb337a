"""How a benchmark is evaluated, part by part; `gvseg_core.engine.evaluate` puts them together."""
