"""The rooms an appeal walks through, in order; each reads rows in one state and leaves them in the next."""
