"""What Hansard costs, beside controls of the same run: `python -m bench`. The rules are in README.md."""
