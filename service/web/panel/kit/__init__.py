"""What every page of the panel uses: visits, the guard, forms, rendering, charts."""
