"""An emulator of Workers AI's text generation routes for one model, to develop and test offline."""
