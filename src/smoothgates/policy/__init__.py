"""Policies: a compact Qwen2 decoder, its tokenizer, Hugging Face folders, and supervised warm starts."""
