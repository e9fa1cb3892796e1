DROP INDEX CONCURRENTLY invoices_unpaid_idx;
