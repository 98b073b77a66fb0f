"""Answers under a limit: how soon N calls at once are answered, how many are lost, and how many requests are wasted."""
