"""What API and panel both take and give: fields, queries, paging, errors."""
