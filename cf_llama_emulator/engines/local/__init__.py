"""What a small local model needs around it to stand in for a large one: its prompts, and its calls read from text."""
