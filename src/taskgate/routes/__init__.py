"""Services, their routes, policies and documents: which path is whose, and what a call to it may do."""
