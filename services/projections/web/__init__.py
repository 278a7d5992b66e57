"""The pages people look at: portfolio, customer, login. Answers in, HTML out."""
