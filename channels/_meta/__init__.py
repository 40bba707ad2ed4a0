"""What Meta's platforms share: the signed webhook, its batches, the Graph API and what it says when it refuses."""
