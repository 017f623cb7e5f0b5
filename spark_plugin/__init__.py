"""Spark, the learning layer for swarms of agents."""
