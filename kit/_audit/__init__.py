"""Parts of the audit: what each looks at stands in its first line."""
